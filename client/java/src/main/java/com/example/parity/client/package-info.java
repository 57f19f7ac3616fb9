/**
 * A client of Parity: draws numbers, counts, and lists and downloads files over gRPC.
 *
 * <p>{@link com.example.parity.client.Client} is the connection, {@link
 * com.example.parity.client.Download} and {@link com.example.parity.client.Counter} are what is
 * built on it, and {@link com.example.parity.client.Main} is the command line.
 */
package com.example.parity.client;

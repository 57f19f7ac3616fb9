package com.example.parity.driver;

import com.example.parity.client.Client;
import com.example.parity.client.ParityException;
import java.nio.file.Path;
import java.util.Optional;
import picocli.CommandLine.Command;
import picocli.CommandLine.Option;

/** The command line of the driver. */
@Command(name = "driver")
final class Args {
    @Option(names = "--case", required = true)
    String name;

    @Option(names = "--addr", required = true)
    String addr;

    /** The server's directory. */
    @Option(names = "--dir", defaultValue = ".")
    Path dir;

    @Option(names = "--row", defaultValue = "java")
    String row;

    /** The first of 100 client IDs to use. */
    @Option(names = "--id-base", defaultValue = "0")
    int idBase;

    @Option(names = "--tls-ca")
    Path tlsCa;

    @Option(names = "--token")
    String token;

    Client client() throws ParityException {
        return new Client(
                new Client.Options(addr, Optional.ofNullable(tlsCa), Optional.ofNullable(token)));
    }
}

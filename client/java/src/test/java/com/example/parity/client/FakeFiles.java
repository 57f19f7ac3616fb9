package com.example.parity.client;

import com.example.parity.files.v1.File;
import com.example.parity.files.v1.FileServiceGrpc;
import com.example.parity.files.v1.GetRequest;
import com.example.parity.files.v1.GetResponse;
import com.example.parity.files.v1.StatRequest;
import com.example.parity.files.v1.StatResponse;
import com.google.protobuf.Any;
import com.google.protobuf.ByteString;
import com.google.protobuf.Timestamp;
import com.google.rpc.ErrorInfo;
import io.grpc.Server;
import io.grpc.Status;
import io.grpc.StatusRuntimeException;
import io.grpc.netty.shaded.io.grpc.netty.NettyServerBuilder;
import io.grpc.protobuf.StatusProto;
import io.grpc.stub.StreamObserver;
import java.io.IOException;
import java.net.InetAddress;
import java.net.InetSocketAddress;
import java.util.ArrayDeque;
import java.util.ArrayList;
import java.util.List;
import java.util.Queue;
import java.util.zip.CRC32C;

/** A FileService on a loopback port, with one file and faults on request. */
final class FakeFiles extends FileServiceGrpc.FileServiceImplBase implements AutoCloseable {
    /** When the file was modified, in seconds. */
    static final long MODIFIED = 1_000_000_000;

    /** The size of the data of one message, in bytes. */
    private static final int CHUNK = 1 << 20;

    /** What goes wrong in one Get. */
    sealed interface Fault {}

    /** Nothing. */
    record None() implements Fault {}

    /** The checksum of the data is wrong. */
    record WrongSum() implements Fault {}

    /** The checksum of the whole file is wrong. */
    record WrongFileSum() implements Fault {}

    /** The stream ends in order, without its checksum. */
    record NoSum() implements Fault {}

    /** The server is gone after so many bytes. */
    record Cut(int after) implements Fault {}

    /** After so many bytes, the file has this content, and another version. */
    record Change(int after, byte[] content) implements Fault {}

    /** Something happens on the client's side meanwhile. */
    record Meanwhile(Runnable action) implements Fault {}

    private final Server server;
    private final Queue<Fault> once = new ArrayDeque<>();
    private final List<GetRequest> requests = new ArrayList<>();
    private Fault always = new None();
    private byte[] content;
    private int version = 1;

    FakeFiles(byte[] content) throws IOException {
        this.content = content;
        server =
                NettyServerBuilder.forAddress(
                                new InetSocketAddress(InetAddress.getLoopbackAddress(), 0))
                        .addService(this)
                        .build()
                        .start();
    }

    Client client() throws ParityException {
        return new Client(Client.Options.of("localhost:" + server.getPort()));
    }

    /** Lets the next Get fail, after those that fail already. */
    synchronized void failOnce(Fault fault) {
        once.add(fault);
    }

    /** Lets every Get fail that does not fail otherwise. */
    synchronized void failAlways(Fault fault) {
        always = fault;
    }

    /** Ends the faults. */
    synchronized void recover() {
        once.clear();
        always = new None();
        requests.clear();
    }

    /** Returns the requests of Get. */
    synchronized List<GetRequest> requests() {
        return List.copyOf(requests);
    }

    @Override
    public void close() {
        server.shutdownNow();
    }

    private File file() {
        return File.newBuilder()
                .setName("x")
                .setSizeBytes(content.length)
                .setModified(Timestamp.newBuilder().setSeconds(MODIFIED))
                .setVersion("v/" + version)
                .build();
    }

    @Override
    public synchronized void stat(StatRequest request, StreamObserver<StatResponse> responses) {
        responses.onNext(StatResponse.newBuilder().setFile(file()).build());
        responses.onCompleted();
    }

    @Override
    public synchronized void get(GetRequest request, StreamObserver<GetResponse> responses) {
        requests.add(request);
        var fault = once.isEmpty() ? always : once.remove();
        var file = file();
        if (!request.getVersion().equals(file.getVersion())) {
            responses.onError(aborted("VERSION_MISMATCH"));
            return;
        }
        int begin = (int) request.getOffset();
        int end = (int) Math.min(content.length, request.getOffset() + request.getLimit());
        var data = ByteString.copyFrom(content, begin, end - begin);
        int fileSum = sum(ByteString.copyFrom(content));
        int sent = data.size();
        StatusRuntimeException error = null;
        if (fault instanceof Cut cut) {
            sent = Math.min(sent, cut.after());
            error = Status.UNAVAILABLE.withDescription("cut").asRuntimeException();
        } else if (fault instanceof Change change) {
            sent = Math.min(sent, change.after());
            error = aborted("FILE_CHANGED");
            content = change.content();
            version++;
        } else if (fault instanceof Meanwhile meanwhile) {
            meanwhile.action().run();
        }

        var response = GetResponse.newBuilder().setFile(file);
        for (int at = 0; at < sent; at += CHUNK) {
            response.setData(data.substring(at, Math.min(at + CHUNK, sent)));
            responses.onNext(response.build());
            response.clear();
        }
        if (error != null) {
            responses.onError(error);
            return;
        }
        if (!(fault instanceof NoSum)) {
            response.setCrc32C(sum(data) ^ (fault instanceof WrongSum ? 1 : 0));
            response.setFileCrc32C(fileSum ^ (fault instanceof WrongFileSum ? 1 : 0));
        }
        responses.onNext(response.build());
        responses.onCompleted();
    }

    private static int sum(ByteString data) {
        var sum = new CRC32C();
        sum.update(data.asReadOnlyByteBuffer());
        return (int) sum.getValue();
    }

    private static StatusRuntimeException aborted(String reason) {
        var info = ErrorInfo.newBuilder().setDomain("parity").setReason(reason).build();
        return StatusProto.toStatusRuntimeException(
                com.google.rpc.Status.newBuilder()
                        .setCode(Status.Code.ABORTED.value())
                        .setMessage("changed")
                        .addDetails(Any.pack(info))
                        .build());
    }
}

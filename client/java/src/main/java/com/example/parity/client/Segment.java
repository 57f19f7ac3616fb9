package com.example.parity.client;

import com.example.parity.files.v1.File;
import com.example.parity.files.v1.FileServiceGrpc.FileServiceBlockingV2Stub;
import com.example.parity.files.v1.GetRequest;
import com.example.parity.files.v1.GetResponse;
import com.google.protobuf.ByteString;
import io.grpc.Status;
import io.grpc.StatusException;
import java.nio.ByteBuffer;
import java.util.ArrayList;
import java.util.List;
import java.util.OptionalInt;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.TimeoutException;
import java.util.zip.CRC32C;

/** Fetches a part of a file, and checks the responses of one Get. */
final class Segment {
    /**
     * How much is requested at once, in bytes. It is held in memory until its checksum is right,
     * so that an interrupted download loses at most this.
     */
    static final long SIZE = 8 << 20;

    /** How long the server may take for the next message. It gives up itself after 30 s. */
    private static final long MESSAGE_SECONDS = 40;

    private final File file;
    private final List<ByteString> data = new ArrayList<>();
    private final CRC32C sum = new CRC32C();
    private long missing;
    private boolean begun;
    private GetResponse last; // the one with the checksum

    private Segment(File file, long expected) {
        this.file = file;
        this.missing = expected;
    }

    /** Fetches what follows {@code offset} in that version of a file, at most {@link #SIZE}. */
    static Segment fetch(FileServiceBlockingV2Stub files, File file, long offset)
            throws ParityException, InterruptedException {
        var segment = new Segment(file, Math.min(SIZE, file.getSizeBytes() - offset));
        var call =
                files.get(
                        GetRequest.newBuilder()
                                .setName(file.getName())
                                .setOffset(offset)
                                .setLimit(SIZE)
                                .setVersion(file.getVersion())
                                .build());
        boolean ended = false;
        try {
            var response = call.read(MESSAGE_SECONDS, TimeUnit.SECONDS);
            while (response != null) {
                segment.add(response);
                response = call.read(MESSAGE_SECONDS, TimeUnit.SECONDS);
            }
            ended = true;
        } catch (StatusException e) {
            ended = true;
            throw ParityException.call(file.getName(), e);
        } catch (TimeoutException e) {
            throw ParityException.call(file.getName(), late("the server sends nothing"));
        } finally {
            if (!ended) {
                call.cancel("the rest is of no use", null);
            }
        }
        segment.finish();
        return segment;
    }

    /** Returns the status of a call that took too long. */
    static StatusException late(String message) {
        return Status.DEADLINE_EXCEEDED.withDescription(message).asException();
    }

    private void add(GetResponse response) throws ParityException {
        if (last != null) {
            throw damaged("the server sent more after the checksum");
        }
        if (response.hasFile() == begun) {
            throw damaged("the server described the file in the wrong message");
        }
        if (!begun) {
            checkVersion(response.getFile());
            begun = true;
        }
        var bytes = response.getData();
        if (bytes.size() > missing) {
            throw damaged("the server sent more than was requested");
        }
        missing -= bytes.size();
        for (ByteBuffer buffer : bytes.asReadOnlyByteBufferList()) {
            sum.update(buffer);
        }
        data.add(bytes);
        if (response.hasCrc32C()) {
            last = response;
        }
    }

    private void checkVersion(File got) throws ParityException {
        if (!got.getVersion().equals(file.getVersion())
                || got.getSizeBytes() != file.getSizeBytes()) {
            var other = Status.ABORTED.withDescription("the server sent another version");
            throw ParityException.call(file.getName(), other.asException());
        }
    }

    private void finish() throws ParityException {
        if (last == null) {
            throw damaged("the response ended without its checksum");
        }
        if (missing > 0) {
            throw damaged("the response lacks " + missing + " bytes");
        }
        if (last.getCrc32C() != (int) sum.getValue()) {
            throw damaged(
                    String.format(
                            "checksum %08x does not match the data, which has %08x",
                            last.getCrc32C(), sum.getValue()));
        }
    }

    private ParityException damaged(String problem) {
        return ParityException.response(file.getName(), problem);
    }

    /** Returns the verified data. */
    List<ByteString> data() {
        return data;
    }

    /** Returns the CRC-32C of the whole file, if the server knows it. */
    OptionalInt fileSum() {
        return last.hasFileCrc32C() ? OptionalInt.of(last.getFileCrc32C()) : OptionalInt.empty();
    }
}

package com.example.parity.driver;

import com.example.parity.client.Client;
import com.example.parity.client.ParityException;
import com.example.parity.files.v1.GetRequest;
import com.example.parity.numbers.v1.DrawRequest;
import com.google.protobuf.ByteString;
import com.google.rpc.BadRequest;
import io.grpc.Status;
import io.grpc.StatusException;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.util.Arrays;
import java.util.HashSet;
import java.util.concurrent.TimeUnit;
import java.util.zip.CRC32C;

/** Cases of Get. */
final class GetCases {
    /** The size of large.bin, in bytes. */
    private static final int LARGE = (5 << 20) + 3;

    /** The size of bench32m.bin, in bytes. */
    private static final long BENCH = 32 << 20;

    /** The size of changing-ROW.bin, in bytes. */
    private static final int CHANGING = 48 << 20;

    private static final int MIB = 1 << 20;
    private static final long BENCH_NANOS = TimeUnit.SECONDS.toNanos(3);

    private GetCases() {}

    /** Returns the content of the .bin files. */
    private static ByteString pattern(int offset, int length) {
        var bytes = new byte[length];
        for (int i = 0; i < length; i++) {
            bytes[i] = (byte) ((offset + i) % 251);
        }
        return ByteString.copyFrom(bytes);
    }

    static GetRequest.Builder request(String name) {
        return GetRequest.newBuilder().setName(name);
    }

    static void small(Args args) throws Exception {
        try (var client = args.client()) {
            var got = Fetched.get(client.files(), request("small.txt").build());
            var want = ByteString.copyFromUtf8("0123456789abcdef0123456789abcdef");
            Check.that(
                    got.data().equals(want) && got.file().getSizeBytes() == want.size(),
                    "got %s",
                    got);
        }
    }

    static void large(Args args) throws Exception {
        try (var client = args.client()) {
            var got = Fetched.get(client.files(), request("large.bin").build());
            Check.that(got.data().equals(pattern(0, LARGE)), "the content is wrong");
            checkFileSum(got);
        }
    }

    private static void checkFileSum(Fetched got) throws Check.Failure {
        var sum = new CRC32C();
        sum.update(pattern(0, LARGE).asReadOnlyByteBuffer());
        Check.that(
                got.fileSum().isEmpty() || got.fileSum().getAsInt() == (int) sum.getValue(),
                "file_crc32c is wrong");
    }

    static void range(Args args) throws Exception {
        int offset = 1_048_573;
        try (var client = args.client()) {
            var range = request("large.bin").setOffset(offset).setLimit(7).build();
            var got = Fetched.get(client.files(), range);
            Check.that(got.data().equals(pattern(offset, 7)), "got %s", got.data());
            checkFileSum(got);
            // The checksum is compared with that of no data, which is 0.
            got = Fetched.get(client.files(), request("large.bin").setOffset(LARGE).build());
            Check.that(got.data().isEmpty(), "%d bytes after the end", got.data().size());
        }
    }

    static void resumeVersion(Args args) throws Exception {
        int cut = 2 * MIB;
        try (var client = args.client()) {
            var begin = Fetched.get(client.files(), request("large.bin").setLimit(cut).build());
            Check.that(begin.data().size() == cut, "got %d bytes", begin.data().size());
            var rest = request("large.bin").setOffset(cut).setVersion(begin.file().getVersion());
            var end = Fetched.get(client.files(), rest.build());
            Check.that(
                    begin.data().concat(end.data()).equals(pattern(0, LARGE)),
                    "the parts are not the file");
            rest.setVersion("another");
            refused(client, rest, Status.Code.ABORTED, "VERSION_MISMATCH");
        }
    }

    private static StatusException refused(
            Client client, GetRequest.Builder request, Status.Code code, String reason)
            throws Exception {
        return Check.refused(code, reason, () -> Fetched.get(client.files(), request.build()));
    }

    static void changed(Args args) throws Exception {
        var name = "changing-" + args.row + ".bin";
        var path = args.dir.resolve(name);
        var before = pattern(0, CHANGING);
        // The case may have run before.
        if (!ByteString.copyFrom(Files.readAllBytes(path)).equals(before)) {
            rewrite(path, before.asReadOnlyByteBuffer());
        }
        try (var client = args.client()) {
            var call = client.files().get(request(name).build());
            var first = call.read();
            Check.that(first != null && first.hasFile(), "the first response is %s", first);

            var after = new byte[CHANGING];
            Arrays.fill(after, (byte) 0xff);
            rewrite(path, ByteBuffer.wrap(after));
            Fetched got;
            try {
                got = Fetched.rest(call, first);
            } catch (StatusException e) {
                Check.refused(
                        Status.Code.ABORTED,
                        "FILE_CHANGED",
                        () -> {
                            throw e;
                        });
                return;
            }
            // It had been read before the change.
            Check.that(got.data().equals(before), "a mixture of two versions");
            var old = request(name).setVersion(got.file().getVersion());
            refused(client, old, Status.Code.ABORTED, "VERSION_MISMATCH");
        }
    }

    private static void rewrite(Path path, ByteBuffer content) throws IOException {
        try (var file = Files.newByteChannel(path, StandardOpenOption.WRITE)) {
            while (content.hasRemaining()) {
                file.write(content);
            }
        }
    }

    static void missing(Args args) throws Exception {
        try (var client = args.client()) {
            var messages = new HashSet<String>();
            for (var name : new String[] {"nope", "../etc/passwd", "dir"}) {
                var e = refused(client, request(name), Status.Code.NOT_FOUND, "FILE_NOT_FOUND");
                messages.add(e.getStatus().getDescription());
            }
            Check.that(messages.size() == 1, "the messages differ: %s", messages);
        }
    }

    static void badName(Args args) throws Exception {
        try (var client = args.client()) {
            for (var name : new String[] {"", "x".repeat(1025)}) {
                var e =
                        refused(
                                client,
                                request(name),
                                Status.Code.INVALID_ARGUMENT,
                                "INVALID_NAME");
                var bad = ParityException.detail(e, BadRequest.class);
                Check.that(
                        bad.isPresent()
                                && bad.get().getFieldViolationsList().stream()
                                        .anyMatch(v -> v.getField().equals("name")),
                        "the violations are %s",
                        bad);
            }
        }
    }

    static void outOfRange(Args args) throws Exception {
        try (var client = args.client()) {
            var beyond = request("small.txt").setOffset(33);
            refused(client, beyond, Status.Code.OUT_OF_RANGE, "OFFSET_BEYOND_END");
        }
    }

    static void cancelMidStream(Args args) throws Exception {
        try (var client = args.client()) {
            var call = client.files().get(request("bench32m.bin").build());
            var first = call.read();
            Check.that(first != null && !first.hasCrc32C(), "the response is one message");
            call.cancel("the case cancels it", null);
            Check.refused(
                    Status.Code.CANCELLED,
                    "",
                    () -> {
                        // What had arrived already may come first.
                        for (var r = call.read(); r != null; r = call.read()) {
                            Check.that(!r.hasCrc32C(), "the whole file came");
                        }
                    });
            client.numbers().draw(DrawRequest.getDefaultInstance());
        }
    }

    static void bench(Args args) throws Exception {
        try (var client = args.client()) {
            fetchBench(client); // fills the cache, and compiles the code
            long start = System.nanoTime();
            long bytes = 0;
            while (System.nanoTime() - start < BENCH_NANOS) {
                bytes += fetchBench(client);
            }
            double seconds = (System.nanoTime() - start) / 1e9;
            System.out.printf("%.0f%n", bytes / 1e6 / seconds);
        }
    }

    private static long fetchBench(Client client) throws Exception {
        var call = client.files().get(request("bench32m.bin").build());
        var sum = new CRC32C();
        long length = 0;
        boolean right = false;
        for (var response = call.read(); response != null; response = call.read()) {
            for (ByteBuffer buffer : response.getData().asReadOnlyByteBufferList()) {
                sum.update(buffer);
            }
            length += response.getData().size();
            right = response.hasCrc32C() && response.getCrc32C() == (int) sum.getValue();
        }
        Check.that(right && length == BENCH, "%d bytes, checksum right: %b", length, right);
        return length;
    }
}

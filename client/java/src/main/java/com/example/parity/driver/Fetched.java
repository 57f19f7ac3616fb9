package com.example.parity.driver;

import com.example.parity.files.v1.File;
import com.example.parity.files.v1.FileServiceGrpc.FileServiceBlockingV2Stub;
import com.example.parity.files.v1.GetRequest;
import com.example.parity.files.v1.GetResponse;
import com.google.protobuf.ByteString;
import io.grpc.stub.BlockingClientCall;
import java.nio.ByteBuffer;
import java.util.OptionalInt;
import java.util.zip.CRC32C;

/**
 * What one Get returned, after the checks that hold for every Get.
 *
 * @param file the file
 * @param data its bytes
 * @param fileSum the checksum of the whole file, if the server knows it
 */
record Fetched(File file, ByteString data, OptionalInt fileSum) {
    static Fetched get(FileServiceBlockingV2Stub files, GetRequest request) throws Exception {
        var call = files.get(request);
        return rest(call, call.read());
    }

    /** Reads a response to its end. */
    static Fetched rest(BlockingClientCall<?, GetResponse> call, GetResponse first)
            throws Exception {
        File file = null;
        var data = ByteString.newOutput();
        var sum = new CRC32C();
        GetResponse last = null;
        for (var response = first; response != null; response = call.read()) {
            Check.that(
                    last == null || !last.hasCrc32C(),
                    "a response follows the one with the checksum");
            Check.that(
                    response.hasFile() == (file == null), "file is not on the first response only");
            if (file == null) {
                file = response.getFile();
            }
            for (ByteBuffer buffer : response.getData().asReadOnlyByteBufferList()) {
                sum.update(buffer);
            }
            response.getData().writeTo(data);
            last = response;
        }
        Check.that(
                last != null && last.hasCrc32C() && last.getCrc32C() == (int) sum.getValue(),
                "the checksum is wrong or missing");
        var fileSum =
                last.hasFileCrc32C()
                        ? OptionalInt.of(last.getFileCrc32C())
                        : OptionalInt.empty();
        return new Fetched(file, data.toByteString(), fileSum);
    }
}

package com.example.parity.client;

import com.example.parity.files.v1.File;
import com.example.parity.files.v1.FileServiceGrpc.FileServiceBlockingV2Stub;
import com.example.parity.files.v1.StatRequest;
import io.grpc.Status;
import io.grpc.StatusException;
import java.nio.file.Path;
import java.time.Duration;
import java.time.Instant;
import java.util.Optional;
import java.util.OptionalInt;
import java.util.concurrent.TimeUnit;

/**
 * What to download, and where to.
 *
 * @param name the file's name on the server
 * @param target where it goes
 * @param version fetch only this version
 * @param force replace an existing file
 */
public record Download(String name, Target target, Optional<String> version, boolean force) {
    /**
     * How often in a row a call is made again: with the waits between, a server has about ten
     * seconds to restart.
     */
    private static final int MAX_RETRIES = 7;

    /**
     * How often in a row a damaged response is requested again: what damages several is not
     * chance.
     */
    private static final int MAX_DAMAGED = 2;

    /** How often a download begins again because the file changed under it. */
    private static final int MAX_CHANGES = 3;

    /** How long the server may take to describe a file. */
    private static final long STAT_SECONDS = 40;

    /**
     * A complete download.
     *
     * @param path where it is
     * @param size its size in bytes
     * @param version its version on the server
     * @param resumed how many of its bytes an earlier, interrupted download had left
     * @param wholeChecked whether the checksum of the whole file was compared. If the server does
     *     not know it, each part was compared by itself
     */
    public record Result(
            Path path, long size, String version, long resumed, boolean wholeChecked) {}

    /** Waits between attempts. */
    @FunctionalInterface
    interface Sleeper {
        void sleep(Duration duration) throws InterruptedException;
    }

    /** Returns the download of whatever version is current, which replaces nothing. */
    public static Download of(String name, Target target) {
        return new Download(name, target, Optional.empty(), false);
    }

    /** Downloads the file, as {@link #run(FileServiceBlockingV2Stub)}. */
    public Result run(Client client) throws ParityException, InterruptedException {
        return run(
                client.files(),
                duration -> {
                    Thread.sleep(duration.toMillis());
                    client.reconnect();
                });
    }

    /**
     * Downloads the file. The target appears under its name only when it is complete and its
     * checksums are right. After a failure a hidden file beside it keeps what was verified, and
     * the next download of the same version goes on from there.
     */
    public Result run(FileServiceBlockingV2Stub files)
            throws ParityException, InterruptedException {
        return run(files, duration -> Thread.sleep(duration.toMillis()));
    }

    Result run(FileServiceBlockingV2Stub files, Sleeper sleeper)
            throws ParityException, InterruptedException {
        target.checkFree(force);
        for (int changes = 0; ; changes++) {
            try {
                return oneVersion(files, sleeper);
            } catch (ParityException e) {
                if (e.code() != Status.Code.ABORTED || changes == MAX_CHANGES) {
                    throw e;
                }
            }
        }
    }

    /** Downloads the version that is current now. */
    private Result oneVersion(FileServiceBlockingV2Stub files, Sleeper sleeper)
            throws ParityException, InterruptedException {
        var file = retrying(sleeper, () -> stat(files));
        if (version.isPresent() && !version.get().equals(file.getVersion())) {
            throw ParityException.usage(
                    String.format(
                            "%s: the server has version \"%s\", not \"%s\"",
                            name, file.getVersion(), version.get()));
        }
        try (var part = Part.open(target, file.getVersion(), file.getSizeBytes())) {
            long resumed = part.length();
            var fileSum = fill(part, file, files, sleeper);
            if (fileSum.isPresent() && fileSum.getAsInt() != part.sum()) {
                part.discard();
                throw ParityException.response(
                        name, "the file does not have its checksum; run it again");
            }
            part.place(target, modified(file), force);
            return new Result(
                    target.path(),
                    file.getSizeBytes(),
                    file.getVersion(),
                    resumed,
                    fileSum.isPresent());
        }
    }

    /** Fetches what is missing. It returns the checksum of the whole, if the server knows it. */
    private OptionalInt fill(
            Part part, File file, FileServiceBlockingV2Stub files, Sleeper sleeper)
            throws ParityException, InterruptedException {
        try {
            // Also if all of it is there: the call tells whether the version is still current,
            // and the checksum of the whole.
            while (true) {
                var got = retrying(sleeper, () -> Segment.fetch(files, file, part.length()));
                part.append(got.data());
                if (part.length() >= file.getSizeBytes()) {
                    return got.fileSum();
                }
            }
        } catch (ParityException e) {
            if (e.code() == Status.Code.ABORTED || part.length() == 0) {
                part.discard();
            }
            throw e;
        }
    }

    private static Instant modified(File file) {
        var time = file.getModified();
        return Instant.ofEpochSecond(time.getSeconds(), time.getNanos());
    }

    private File stat(FileServiceBlockingV2Stub files) throws ParityException {
        try {
            var response =
                    files.withDeadlineAfter(STAT_SECONDS, TimeUnit.SECONDS)
                            .stat(StatRequest.newBuilder().setName(name).build());
            if (!response.hasFile() || response.getFile().getSizeBytes() < 0) {
                throw ParityException.response(name, "the server did not describe the file");
            }
            // What was asked for is what is fetched.
            return response.getFile().toBuilder().setName(name).build();
        } catch (StatusException e) {
            throw ParityException.call(name, e);
        }
    }

    @FunctionalInterface
    private interface Attempt<T> {
        T make() throws ParityException, InterruptedException;
    }

    /** Makes a call again after failures that may pass. */
    private static <T> T retrying(Sleeper sleeper, Attempt<T> attempt)
            throws ParityException, InterruptedException {
        for (int failures = 0; ; failures++) {
            try {
                return attempt.make();
            } catch (ParityException e) {
                int most =
                        e.kind() == ParityException.Kind.RESPONSE ? MAX_DAMAGED : MAX_RETRIES;
                if (!e.isTransient() || failures >= most) {
                    throw e;
                }
                sleeper.sleep(Backoff.delay(failures, e.retryDelay().orElse(Duration.ZERO)));
            }
        }
    }
}

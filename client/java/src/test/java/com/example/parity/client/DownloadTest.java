package com.example.parity.client;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.example.parity.client.ParityException.Kind;
import io.grpc.Status;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Instant;
import java.util.Arrays;
import java.util.List;
import java.util.Optional;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;
import org.junit.jupiter.params.provider.ValueSource;

/** Downloads from a fake service: checksums, resuming, changed files, and local files. */
final class DownloadTest {
    private static final int SEGMENT = (int) Segment.SIZE;

    @TempDir Path dir;

    private static byte[] content(int length) {
        var bytes = new byte[length];
        for (int i = 0; i < length; i++) {
            bytes[i] = (byte) (i % 251);
        }
        return bytes;
    }

    private Download download(String name) throws ParityException {
        return Download.of(name, Target.below(dir, name));
    }

    /** Runs a download that does not wait between its attempts. */
    private static Download.Result run(FakeFiles fake, Download download) throws Exception {
        try (var client = fake.client()) {
            return download.run(client.files(), duration -> {});
        }
    }

    private static ParityException fails(FakeFiles fake, Download download) {
        return assertThrows(ParityException.class, () -> run(fake, download));
    }

    private List<String> names() throws IOException {
        try (var found = Files.list(dir)) {
            return found.map(p -> p.getFileName().toString()).sorted().toList();
        }
    }

    /** Returns the path of the only part file. */
    private Path part() throws IOException {
        var names = names();
        assertEquals(1, names.size(), names::toString);
        assertTrue(names.get(0).endsWith(".part"), names::toString);
        return dir.resolve(names.get(0));
    }

    private void assertContent(byte[] want, String name) throws IOException {
        assertArrayEquals(want, Files.readAllBytes(dir.resolve(name)));
    }

    @ParameterizedTest
    @ValueSource(ints = {0, 1, SEGMENT - 1, SEGMENT, SEGMENT + 1})
    void downloadsIntoTheFoldersOfTheName(int length) throws Exception {
        try (var fake = new FakeFiles(content(length))) {
            var done = run(fake, download("a/b/x"));
            assertEquals(dir.resolve("a/b/x"), done.path());
            assertEquals(length, done.size());
            assertEquals(0, done.resumed());
            assertTrue(done.wholeChecked());
            assertContent(content(length), "a/b/x");
            assertEquals(
                    Instant.ofEpochSecond(FakeFiles.MODIFIED),
                    Files.getLastModifiedTime(done.path()).toInstant());
            try (var left = Files.list(dir.resolve("a/b"))) {
                assertEquals(1, left.count(), "a part is left");
            }
        }
    }

    private static List<FakeFiles.Fault> damage() {
        return List.of(new FakeFiles.WrongSum(), new FakeFiles.NoSum(), new FakeFiles.Cut(3));
    }

    @ParameterizedTest
    @MethodSource("damage")
    void fetchesDamagedDataAgain(FakeFiles.Fault fault) throws Exception {
        try (var fake = new FakeFiles(content(10))) {
            fake.failOnce(fault);
            run(fake, download("x"));
            assertContent(content(10), "x");
            assertEquals(2, fake.requests().size());
        }
    }

    @ParameterizedTest
    @MethodSource("damage")
    void neverKeepsDamagedData(FakeFiles.Fault fault) throws Exception {
        try (var fake = new FakeFiles(content(10))) {
            fake.failAlways(fault);
            fails(fake, download("x"));
            assertEquals(List.of(), names());
        }
    }

    @Test
    void discardsAFileWhoseWholeIsDamaged() throws Exception {
        try (var fake = new FakeFiles(content(10))) {
            fake.failAlways(new FakeFiles.WrongFileSum());
            var e = fails(fake, download("x"));
            assertTrue(e.getMessage().contains("checksum"), e.getMessage());
            assertEquals(List.of(), names());
        }
    }

    @Test
    void resumesWhereAnEarlierDownloadEnded() throws Exception {
        var all = content(2 * SEGMENT + 5);
        try (var fake = new FakeFiles(all)) {
            fake.failOnce(new FakeFiles.None()); // the first segment arrives
            fake.failAlways(new FakeFiles.Cut(3 << 20));
            assertEquals(Status.Code.UNAVAILABLE, fails(fake, download("x")).code());
            assertArrayEquals(Arrays.copyOf(all, SEGMENT), Files.readAllBytes(part()));

            fake.recover();
            var done = run(fake, download("x"));
            assertEquals(SEGMENT, done.resumed());
            var offsets = fake.requests().stream().map(r -> (int) r.getOffset()).toList();
            assertEquals(List.of(SEGMENT, 2 * SEGMENT), offsets);
            assertTrue(fake.requests().stream().allMatch(r -> r.getVersion().equals("v/1")));
            assertContent(all, "x");
            assertEquals(List.of("x"), names());
        }
    }

    @Test
    void noticesAPartThatWasDamagedHere() throws Exception {
        var all = content(SEGMENT + 5);
        try (var fake = new FakeFiles(all)) {
            fake.failOnce(new FakeFiles.None());
            fake.failAlways(new FakeFiles.Cut(0));
            fails(fake, download("x"));
            var damaged = Arrays.copyOf(all, SEGMENT);
            damaged[7] ^= 1;
            Files.write(part(), damaged);

            fake.recover();
            fails(fake, download("x"));
            assertEquals(List.of(), names());
            run(fake, download("x"));
            assertContent(all, "x");
        }
    }

    @Test
    void neverMixesVersions() throws Exception {
        var changed = new byte[SEGMENT + 5];
        try (var fake = new FakeFiles(content(SEGMENT + 5))) {
            fake.failOnce(new FakeFiles.None());
            fake.failOnce(new FakeFiles.Change(2, changed));
            assertEquals("v/2", run(fake, download("x")).version());
            assertContent(changed, "x");
            assertEquals(List.of("x"), names());
        }
    }

    @Test
    void fetchesOnlyTheVersionAskedFor() throws Exception {
        try (var fake = new FakeFiles(content(SEGMENT + 5))) {
            fake.failOnce(new FakeFiles.None());
            fake.failOnce(new FakeFiles.Change(2, content(6)));
            var wanted = new Download("x", Target.below(dir, "x"), Optional.of("v/1"), false);
            assertEquals(Kind.USAGE, fails(fake, wanted).kind());
            assertEquals(List.of(), names());
        }
    }

    @Test
    void replacesALocalFileOnlyIfForced() throws Exception {
        try (var fake = new FakeFiles(content(5))) {
            Files.writeString(dir.resolve("x"), "mine");
            assertEquals(Kind.EXISTS, fails(fake, download("x")).kind());
            assertContent("mine".getBytes(), "x");
            assertEquals(List.of(), fake.requests());

            run(fake, new Download("x", Target.below(dir, "x"), Optional.empty(), true));
            assertContent(content(5), "x");
        }
    }

    @Test
    void keepsALocalFileThatAppearsMeanwhile() throws Exception {
        try (var fake = new FakeFiles(content(5))) {
            fake.failOnce(
                    new FakeFiles.Meanwhile(
                            () -> {
                                try {
                                    Files.writeString(dir.resolve("x"), "mine");
                                } catch (IOException e) {
                                    throw new UncheckedIOException(e);
                                }
                            }));
            assertEquals(Kind.EXISTS, fails(fake, download("x")).kind());
            assertContent("mine".getBytes(), "x");
        }
    }

    @Test
    void neverReplacesAFolder() throws Exception {
        try (var fake = new FakeFiles(content(5))) {
            Files.createDirectory(dir.resolve("x"));
            fails(fake, new Download("x", Target.below(dir, "x"), Optional.empty(), true));
            assertTrue(Files.isDirectory(dir.resolve("x")));
        }
    }
}

package com.example.parity.client;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;

import com.google.protobuf.ByteString;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** Part files. */
final class PartTest {
    @TempDir Path dir;

    private Part open(String version, long size) throws ParityException {
        return Part.open(Target.below(dir, "x"), version, size);
    }

    private List<Path> files() throws IOException {
        try (var found = Files.list(dir)) {
            return found.toList();
        }
    }

    @Test
    void oneDownloadAtATime() throws Exception {
        try (var first = open("1", 5)) {
            assertThrows(ParityException.class, () -> open("1", 5));
        }
        open("1", 5).close();
    }

    @Test
    void removesOtherVersionsOfTheSameFile() throws Exception {
        try (var old = open("1", 5)) {
            old.append(List.of(ByteString.copyFromUtf8("ab")));
        }
        Part.open(Target.below(dir, "y"), "1", 5).close();
        try (var part = open("2", 5)) {
            assertEquals(0, part.length());
            assertEquals(2, files().size(), () -> "of x and of y");
        }
    }

    @Test
    void resumesNoFileThatIsTooLong() throws Exception {
        try (var part = open("1", 5)) {
            part.append(List.of(ByteString.copyFromUtf8("abc")));
        }
        try (var part = open("1", 3)) {
            assertEquals(3, part.length());
        }
        try (var part = open("1", 2)) {
            assertEquals(0, part.length());
        }
    }

    @Test
    void followsNoLink() throws Exception {
        open("1", 5).close();
        var path = files().get(0);
        Files.delete(path);
        Files.createSymbolicLink(path, dir.resolve("elsewhere"));
        assertThrows(ParityException.class, () -> open("1", 5));
        assertFalse(Files.exists(dir.resolve("elsewhere")));
    }
}

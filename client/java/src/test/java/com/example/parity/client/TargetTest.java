package com.example.parity.client;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;

import java.nio.file.Files;
import java.nio.file.Path;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/** Where downloads go. */
final class TargetTest {
    @TempDir Path dir;

    @ParameterizedTest
    @ValueSource(
            strings = {"", "..", "../x", "a/../../x", "/etc/passwd", "a//b", "a/", "./a", "a\0b"})
    void keepsNamesBelowTheFolder(String name) {
        assertThrows(ParityException.class, () -> Target.below(dir, name));
    }

    @Test
    void keepsTheFoldersOfTheName() throws Exception {
        assertEquals(dir.resolve("a/b c/x.txt"), Target.below(dir, "a/b c/x.txt").path());
    }

    @Test
    void followsNoLinkOutOfTheFolder(@TempDir Path outside) throws Exception {
        Files.createSymbolicLink(dir.resolve("out"), outside);
        var target = Target.below(dir, "out/deep/x");
        assertThrows(ParityException.class, target::makeFolder);
        try (var found = Files.list(outside)) {
            assertEquals(0, found.count());
        }
    }
}

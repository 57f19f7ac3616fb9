package com.example.parity.client;

import com.google.protobuf.ByteString;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.channels.FileChannel;
import java.nio.channels.OverlappingFileLockException;
import java.nio.charset.StandardCharsets;
import java.nio.file.FileAlreadyExistsException;
import java.nio.file.FileSystemException;
import java.nio.file.Files;
import java.nio.file.LinkOption;
import java.nio.file.NoSuchFileException;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;
import java.nio.file.StandardOpenOption;
import java.nio.file.attribute.FileTime;
import java.security.MessageDigest;
import java.security.NoSuchAlgorithmException;
import java.time.Instant;
import java.util.HexFormat;
import java.util.List;
import java.util.zip.CRC32C;

/**
 * The hidden file beside the target that holds an incomplete download. Only verified bytes are
 * appended to it and it is never truncated, so that its length tells where to resume, and two
 * processes cannot damage each other's work. It is locked while it is open.
 */
final class Part implements AutoCloseable {
    /** How much of a part file is read at once to compute its checksum, in bytes. */
    private static final int READ_SIZE = 256 << 10;

    private final Path path;
    private final FileChannel file;
    private final CRC32C sum = new CRC32C();
    private long length;

    private Part(Path path, FileChannel file) throws IOException {
        this.path = path;
        this.file = file;
        var buffer = ByteBuffer.allocateDirect(READ_SIZE);
        file.position(0);
        for (int n = file.read(buffer); n >= 0; n = file.read(buffer)) {
            sum.update(buffer.flip());
            buffer.clear();
            length += n;
        }
    }

    /**
     * Opens or creates the part file of one version of a file of {@code size} bytes, and removes
     * those of its other versions.
     */
    static Part open(Target target, String version, long size) throws ParityException {
        var folder = target.makeFolder();
        var prefix = ".parity-" + hash(target.base()) + "-";
        var path = folder.resolve(prefix + hash(version) + ".part");
        FileChannel file = null;
        try {
            file = openFile(path);
            if (file.size() > size) {
                // It is not the beginning of that file, whatever it is.
                file.close();
                Files.delete(path);
                file = openFile(path);
            }
            var part = new Part(path, file);
            removeOthers(folder, prefix, path);
            return part;
        } catch (IOException e) {
            closeQuietly(file);
            throw ParityException.local(path, e);
        }
    }

    /** Opens a part file for appending, and locks it. */
    private static FileChannel openFile(Path path) throws IOException {
        if (Files.exists(path, LinkOption.NOFOLLOW_LINKS)
                && !Files.isRegularFile(path, LinkOption.NOFOLLOW_LINKS)) {
            throw new IOException("is not a file that a download left");
        }
        var file =
                FileChannel.open(
                        path,
                        StandardOpenOption.READ,
                        StandardOpenOption.WRITE,
                        StandardOpenOption.CREATE,
                        LinkOption.NOFOLLOW_LINKS);
        try {
            if (file.tryLock() != null) {
                return file;
            }
        } catch (OverlappingFileLockException e) {
            // This process has it.
        } catch (IOException e) {
            file.close();
            throw e;
        }
        file.close();
        throw new IOException("another download of it is under way");
    }

    /** Removes the part files of other versions, unless they are in use. */
    private static void removeOthers(Path folder, String prefix, Path keep) throws IOException {
        try (var found = Files.newDirectoryStream(folder, prefix + "*.part")) {
            for (Path other : found) {
                if (!other.equals(keep)) {
                    removeUnused(other);
                }
            }
        }
    }

    private static void removeUnused(Path path) {
        try (var unused = openFile(path)) {
            Files.delete(path);
        } catch (IOException e) {
            // It is in use, or not ours.
        }
    }

    private static void closeQuietly(FileChannel file) {
        try {
            if (file != null) {
                file.close();
            }
        } catch (IOException e) {
            // An error is reported already.
        }
    }

    long length() {
        return length;
    }

    /** Returns the CRC-32C of all of it. */
    int sum() {
        return (int) sum.getValue();
    }

    /** Appends verified data. */
    void append(List<ByteString> data) throws ParityException {
        try {
            for (ByteString chunk : data) {
                for (ByteBuffer buffer : chunk.asReadOnlyByteBufferList()) {
                    sum.update(buffer.duplicate());
                    while (buffer.hasRemaining()) {
                        length += file.write(buffer, length);
                    }
                }
            }
        } catch (IOException e) {
            throw ParityException.local(path, e);
        }
    }

    /**
     * Gives the complete file its name. Without {@code force} it never replaces anything, not even
     * what appeared during the download.
     */
    void place(Target target, Instant modified, boolean force) throws ParityException {
        var to = target.path();
        try {
            Files.setLastModifiedTime(path, FileTime.from(modified));
            file.force(true);
            if (force) {
                Files.move(path, to, StandardCopyOption.ATOMIC_MOVE);
            } else {
                placeNew(to);
            }
        } catch (FileAlreadyExistsException e) {
            throw ParityException.exists(to);
        } catch (IOException e) {
            throw ParityException.local(to, e);
        }
    }

    private void placeNew(Path to) throws IOException {
        try {
            // An atomic move would replace a file that is there; a hard link fails.
            Files.createLink(to, path);
        } catch (FileAlreadyExistsException | NoSuchFileException e) {
            throw e;
        } catch (UnsupportedOperationException | FileSystemException e) {
            // The file system has no hard links. This move checks first, not atomically.
            Files.move(path, to);
            return;
        }
        Files.delete(path);
    }

    /** Removes the file: what it holds cannot be used. */
    void discard() throws ParityException {
        try {
            Files.deleteIfExists(path);
        } catch (IOException e) {
            throw ParityException.local(path, e);
        }
    }

    @Override
    public void close() {
        closeQuietly(file); // what matters was forced to the disk by place
    }

    /**
     * Returns a short hash. Names and versions are hashed because a name may be as long as the
     * file system allows, and a version may have any characters.
     */
    private static String hash(String text) {
        try {
            var sum = MessageDigest.getInstance("SHA-256");
            var digest = sum.digest(text.getBytes(StandardCharsets.UTF_8));
            return HexFormat.of().formatHex(digest, 0, Long.BYTES);
        } catch (NoSuchAlgorithmException e) {
            throw new AssertionError("every Java has SHA-256", e);
        }
    }
}

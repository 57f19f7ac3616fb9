package com.example.parity.client;

import java.io.IOException;
import java.nio.file.FileAlreadyExistsException;
import java.nio.file.Files;
import java.nio.file.InvalidPathException;
import java.nio.file.LinkOption;
import java.nio.file.NotDirectoryException;
import java.nio.file.Path;
import java.util.List;

/** Where a download goes: a path below a folder, which no name of a server leads out of. */
public final class Target {
    private final Path root;
    private final List<String> parts; // folders, and the file last

    private Target(Path root, List<String> parts) {
        this.root = root;
        this.parts = parts;
    }

    /**
     * Returns the place of the file {@code name} of a server below {@code dir}. The folders of the
     * name are kept.
     */
    public static Target below(Path dir, String name) throws ParityException {
        var parts = List.of(name.split("/", -1));
        for (String part : parts) {
            if (!isPlain(dir, part)) {
                throw ParityException.usage(
                        "\"" + name + "\" is not the name of a file below a folder here");
            }
        }
        return new Target(dir, parts);
    }

    /** Returns the place at a path of the user's choice. */
    public static Target file(Path path) throws ParityException {
        if (path.getFileName() == null) {
            throw ParityException.usage("\"" + path + "\" is not the name of a file");
        }
        var parent = path.getParent();
        return new Target(
                parent == null ? Path.of("") : parent, List.of(path.getFileName().toString()));
    }

    /** Returns whether a part of a name is one step down, on this system. */
    private static boolean isPlain(Path dir, String part) {
        if (part.isEmpty() || part.equals(".") || part.equals("..")) {
            return false;
        }
        try {
            var path = dir.getFileSystem().getPath(part);
            return !path.isAbsolute() && path.getRoot() == null && path.getNameCount() == 1;
        } catch (InvalidPathException e) {
            return false;
        }
    }

    /** Returns the path of the file. */
    public Path path() {
        var path = root;
        for (String part : parts) {
            path = path.resolve(part);
        }
        return path;
    }

    /** Returns the last part of the path. */
    String base() {
        return parts.get(parts.size() - 1);
    }

    /**
     * Fails if something is there that must stay. A folder always stays; a symbolic link counts,
     * wherever it leads.
     */
    void checkFree(boolean force) throws ParityException {
        var path = path();
        if (Files.isDirectory(path, LinkOption.NOFOLLOW_LINKS)) {
            throw ParityException.local(path, new IOException("is a folder"));
        }
        if (!force && Files.exists(path, LinkOption.NOFOLLOW_LINKS)) {
            throw ParityException.exists(path);
        }
    }

    /**
     * Creates the folders of the name, and returns the last one. Below the root no symbolic link
     * is followed: it could lead out of it.
     */
    Path makeFolder() throws ParityException {
        var path = root;
        try {
            Files.createDirectories(root.toAbsolutePath());
            for (String part : parts.subList(0, parts.size() - 1)) {
                path = path.resolve(part);
                try {
                    Files.createDirectory(path);
                } catch (FileAlreadyExistsException e) {
                    if (!Files.isDirectory(path, LinkOption.NOFOLLOW_LINKS)) {
                        throw new NotDirectoryException(path.toString());
                    }
                }
            }
        } catch (IOException e) {
            throw ParityException.local(path, e);
        }
        return path;
    }
}

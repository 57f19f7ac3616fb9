package com.example.parity.driver;

import com.example.parity.client.Client;
import com.example.parity.files.v1.File;
import com.example.parity.files.v1.GetRequest;
import com.example.parity.files.v1.ListRequest;
import com.example.parity.files.v1.Source;
import com.example.parity.files.v1.StatRequest;
import io.grpc.Status;
import io.grpc.StatusException;
import java.time.Duration;
import java.time.Instant;
import java.util.List;

/** Cases of List and Stat. */
final class ListCases {
    /** The capacity of the cache of the suite's server, in bytes. */
    private static final long CAPACITY = 64 << 20;

    private static final Duration DAY = Duration.ofDays(1);
    private static final int FILES = 25;

    private ListCases() {}

    static void cache(Args args) throws Exception {
        try (var client = args.client()) {
            // Puts it into the cache.
            Fetched.get(client.files(), GetRequest.newBuilder().setName("small.txt").build());
            var page = client.files().list(ListRequest.getDefaultInstance());
            boolean listed =
                    page.getFilesList().stream()
                            .anyMatch(
                                    f ->
                                            f.getName().equals("small.txt")
                                                    && f.getCached()
                                                    && f.getSizeBytes() == 32);
            Check.that(listed, "small.txt is not listed: %s", page);
            Check.that(
                    page.getCacheUsedBytes() > 0 && page.getCacheCapacityBytes() == CAPACITY,
                    "cache: %d of %d bytes",
                    page.getCacheUsedBytes(),
                    page.getCacheCapacityBytes());
        }
    }

    static void paged(Args args) throws Exception {
        var request =
                ListRequest.newBuilder()
                        .setSource(Source.SOURCE_DIRECTORY)
                        .setPrefix("page/")
                        .setPageSize(10);
        try (var client = args.client()) {
            int next = 0;
            for (int want : new int[] {10, 10, 5}) {
                var page = client.files().list(request.build());
                int got = page.getFilesCount();
                Check.that(got == want, "a page of %d, want %d", got, want);
                for (var file : page.getFilesList()) {
                    var name = String.format("page/%03d", next++);
                    Check.that(file.getName().equals(name), "got %s, want %s", file, name);
                }
                Check.that(
                        page.getNextPageToken().isEmpty() == (next == FILES),
                        "the token after %d files is \"%s\"",
                        next,
                        page.getNextPageToken());
                request.setPageToken(page.getNextPageToken());
            }
        }
    }

    static void prefix(Args args) throws Exception {
        try (var client = args.client()) {
            var below = List.of("dir/a.txt", "dir/b.txt", "dir/sub/c.txt");
            var names = list(client, "dir/");
            Check.that(names.equals(below), "prefix \"dir/\" lists %s", names);
            var all = List.of("dir/a.txt", "dir/b.txt", "dir/sub/c.txt", "dirt.txt");
            names = list(client, "dir");
            Check.that(names.equals(all), "prefix \"dir\" lists %s", names);
        }
    }

    private static List<String> list(Client client, String prefix) throws StatusException {
        var request =
                ListRequest.newBuilder()
                        .setSource(Source.SOURCE_DIRECTORY)
                        .setPrefix(prefix)
                        .build();
        return client.files().list(request).getFilesList().stream().map(File::getName).toList();
    }

    static void stat(Args args) throws Exception {
        try (var client = args.client()) {
            var file = stat(client, "größe.txt");
            var modified =
                    Instant.ofEpochSecond(
                            file.getModified().getSeconds(), file.getModified().getNanos());
            var age = Duration.between(modified, Instant.now());
            Check.that(
                    file.getSizeBytes() == 7
                            && !file.getVersion().isEmpty()
                            && !age.isNegative()
                            && age.compareTo(DAY) < 0,
                    "got %s",
                    file);
            Check.refused(Status.Code.NOT_FOUND, "FILE_NOT_FOUND", () -> stat(client, "nope"));
            for (int i = 0; i < 2; i++) {
                var unread = stat(client, "dir/sub/c.txt");
                Check.that(!unread.getCached(), "Stat fills the cache");
            }
        }
    }

    private static File stat(Client client, String name) throws StatusException {
        return client.files().stat(StatRequest.newBuilder().setName(name).build()).getFile();
    }
}

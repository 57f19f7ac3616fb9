package com.example.parity.client;

import com.example.parity.files.v1.ListRequest;
import com.example.parity.files.v1.Source;
import com.example.parity.numbers.v1.Registered;
import io.grpc.StatusException;
import java.nio.file.Path;
import java.time.Duration;
import java.util.List;
import java.util.Optional;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicBoolean;
import picocli.CommandLine;
import picocli.CommandLine.Command;
import picocli.CommandLine.Option;
import picocli.CommandLine.Parameters;

/** The command line. */
@Command(
        name = "parity",
        description = "A client of Parity.",
        mixinStandardHelpOptions = true,
        version = "parity 0.1.0",
        scope = CommandLine.ScopeType.INHERIT)
public final class Main {
    private static final int OK = 0;
    private static final int FAILED = 1;
    private static final int USAGE = 2;
    private static final int NOT_FOUND = 3;

    /** How long the end of a count may take after Ctrl-C. */
    private static final long STOP_SECONDS = 12;

    @Option(
            names = "--addr",
            paramLabel = "HOST:PORT",
            description = "The server's address. Default: ${DEFAULT-VALUE}",
            defaultValue = "localhost:50051",
            scope = CommandLine.ScopeType.INHERIT)
    private String addr;

    @Option(
            names = "--tls-ca",
            paramLabel = "FILE",
            description = "Encrypt, and trust the certificates in this PEM file.",
            scope = CommandLine.ScopeType.INHERIT)
    private Path tlsCa;

    @Option(
            names = "--token",
            paramLabel = "TOKEN",
            description = "The token to send with every call. Default: $PARITY_TOKEN",
            scope = CommandLine.ScopeType.INHERIT)
    private String token;

    private Main() {}

    /** Runs a command. */
    public static void main(String[] args) {
        var line = new CommandLine(new Main());
        line.setExecutionExceptionHandler((e, command, result) -> report(e));
        System.exit(line.execute(args));
    }

    /** Prints an error, and returns the exit status for it. */
    private static int report(Exception e) throws Exception {
        if (!(e instanceof ParityException failure)) {
            throw e;
        }
        System.err.println("parity: " + failure.getMessage());
        if (failure.kind() == ParityException.Kind.USAGE) {
            return USAGE;
        }
        boolean missing = failure.reason().filter("FILE_NOT_FOUND"::equals).isPresent();
        return missing ? NOT_FOUND : FAILED;
    }

    private Client client() throws ParityException {
        var sent =
                Optional.ofNullable(token)
                        .or(() -> Optional.ofNullable(System.getenv("PARITY_TOKEN")));
        return new Client(new Client.Options(addr, Optional.ofNullable(tlsCa), sent));
    }

    @Command(description = "Download files. Run it again to resume.")
    int get(
            @Parameters(
                            arity = "1..*",
                            paramLabel = "NAME",
                            description = "The names of the files.")
                    List<String> names,
            @Option(
                            names = {"-d", "--dir"},
                            paramLabel = "DIR",
                            defaultValue = ".",
                            description = "Put the files below this folder.")
                    Path dir,
            @Option(
                            names = {"-o", "--output"},
                            paramLabel = "FILE",
                            description = "Put the file there. Only with one name.")
                    Path output,
            @Option(
                            names = "--only-version",
                            paramLabel = "VERSION",
                            description = "Fetch only this version.")
                    String version,
            @Option(names = "--force", description = "Replace files that exist.") boolean force)
            throws Exception {
        if (output != null && names.size() > 1) {
            throw ParityException.usage("--output takes one name; use --dir for several");
        }
        var done = new AtomicBoolean();
        Runtime.getRuntime()
                .addShutdownHook(
                        new Thread(
                                () -> {
                                    if (!done.get()) {
                                        System.err.println(
                                                "parity: interrupted; run it again to go on");
                                    }
                                }));
        int status = OK;
        try (var client = client()) {
            for (String name : names) {
                // One file that cannot be fetched does not keep the others back.
                try {
                    var target = output != null ? Target.file(output) : Target.below(dir, name);
                    var wanted = Optional.ofNullable(version);
                    var got = new Download(name, target, wanted, force).run(client);
                    if (got.resumed() > 0) {
                        System.err.println("parity: resumed at " + got.resumed() + " bytes");
                    }
                    System.out.println(Text.printable(name) + ": " + got.size() + " bytes");
                } catch (ParityException e) {
                    status = report(e);
                }
            }
        }
        done.set(true);
        return status;
    }

    @Command(description = "List the cached files.")
    int list(
            @Parameters(
                            arity = "0..1",
                            defaultValue = "",
                            paramLabel = "PREFIX",
                            description = "Only names that begin with this.")
                    String prefix,
            @Option(
                            names = "--all",
                            description = "List all files. * marks the cached ones.")
                    boolean all)
            throws ParityException {
        var source = all ? Source.SOURCE_DIRECTORY : Source.SOURCE_CACHE;
        var request = ListRequest.newBuilder().setSource(source).setPrefix(prefix);
        try (var client = client()) {
            while (true) {
                var page = client.files().list(request.build());
                for (var file : page.getFilesList()) {
                    System.out.printf(
                            "%s %14d  %s%n",
                            all && file.getCached() ? "*" : " ",
                            file.getSizeBytes(),
                            Text.printable(file.getName()));
                }
                var next = page.getNextPageToken();
                if (next.isEmpty() || next.equals(request.getPageToken())) {
                    System.err.printf(
                            "cache: %d of %d bytes used%n",
                            page.getCacheUsedBytes(), page.getCacheCapacityBytes());
                    return OK;
                }
                request.setPageToken(next);
            }
        } catch (StatusException e) {
            throw ParityException.call(addr, e);
        }
    }

    @Command(
            description =
                    "Count until Ctrl-C: report a value every 500 ms, draw an increment every 3 to"
                            + " 5 s.")
    int count(
            @Option(names = "--id", required = true, description = "The client ID.") int id,
            @Option(
                            names = "--for",
                            paramLabel = "SECONDS",
                            description = "Stop after so many seconds.")
                    Long seconds)
            throws ParityException, InterruptedException {
        int status = FAILED;
        var ended = new CountDownLatch(1);
        var exit = new int[] {FAILED};
        try (var client = client()) {
            var counter = new Counter(client, id, new Printer());
            stopOnInterrupt(counter, ended, exit);
            if (seconds != null) {
                stopAfter(counter, seconds);
            }
            var totals = counter.run();
            System.out.printf(
                    "%d of %d reports confirmed, last value %d%n",
                    totals.committed(), totals.reports(), totals.value());
            status = OK;
        } catch (ParityException e) {
            System.err.println("parity: " + e.getMessage());
        } finally {
            exit[0] = status;
            ended.countDown();
        }
        return status;
    }

    /** Lets Ctrl-C end the count in order. The exit status is then that of the count. */
    private static void stopOnInterrupt(Counter counter, CountDownLatch ended, int[] exit) {
        Runtime.getRuntime()
                .addShutdownHook(
                        new Thread(
                                () -> {
                                    counter.stop();
                                    try {
                                        if (ended.await(STOP_SECONDS, TimeUnit.SECONDS)) {
                                            Runtime.getRuntime().halt(exit[0]);
                                        }
                                    } catch (InterruptedException e) {
                                        Thread.currentThread().interrupt();
                                    }
                                }));
    }

    private static void stopAfter(Counter counter, long seconds) {
        var timer =
                new Thread(
                        () -> {
                            try {
                                TimeUnit.SECONDS.sleep(seconds);
                            } catch (InterruptedException e) {
                                Thread.currentThread().interrupt();
                            }
                            counter.stop();
                        });
        timer.setDaemon(true);
        timer.start();
    }

    /** Prints what happens while counting. */
    private static final class Printer implements Counter.Listener {
        @Override
        public void registered(Registered start) {
            System.out.printf(
                    "registered (%s): value %d, increment %d%n",
                    start.getReturning() ? "returning" : "new",
                    start.getValue(),
                    start.getIncrement());
        }

        @Override
        public void reported(long value) {
            System.out.println("value " + value);
        }

        @Override
        public void increment(int number) {
            System.out.println("increment " + number);
        }

        @Override
        public void committed(long value) {
            System.out.println("confirmed " + value);
        }

        @Override
        public void lost(ParityException error, Duration wait) {
            System.err.printf(
                    "parity: %s; next attempt in %.1f s%n",
                    error.getMessage(), wait.toMillis() / 1e3);
        }
    }
}

package com.example.parity.driver;

import java.util.LinkedHashMap;
import java.util.Map;
import picocli.CommandLine;

/**
 * The driver of the interop suite: runs one case against a server. Exit status 0: passed; 1:
 * failed, the reason on stderr; 3: this row cannot have the case, the reason on stdout.
 */
public final class Driver {
    /** How long a case may take: less than the runner allows. */
    private static final long LIMIT_MILLIS = 25_000;

    private static final int FAILED = 1;
    private static final int IMPOSSIBLE = 3;

    /** Runs a case. */
    @FunctionalInterface
    interface Case {
        void run(Args args) throws Exception;
    }

    private static final Map<String, Case> CASES = new LinkedHashMap<>();

    static {
        CASES.put("draw_even", NumberCases::drawEven);
        CASES.put("draw_odd", NumberCases::drawOdd);
        CASES.put("count_session", CountCases::session);
        CASES.put("count_resume", CountCases::resume);
        CASES.put("count_bad_first_message", CountCases::badFirstMessage);
        CASES.put("count_headers_first", CountCases::headersFirst);
        CASES.put("count_int64_extremes", CountCases::int64Extremes);
        CASES.put("deadline", CountCases::deadline);
        CASES.put("list_cache", ListCases::cache);
        CASES.put("list_paged", ListCases::paged);
        CASES.put("list_prefix", ListCases::prefix);
        CASES.put("stat", ListCases::stat);
        CASES.put("get_small", GetCases::small);
        CASES.put("get_large", GetCases::large);
        CASES.put("get_range", GetCases::range);
        CASES.put("get_resume_version", GetCases::resumeVersion);
        CASES.put("get_changed", GetCases::changed);
        CASES.put("get_missing", GetCases::missing);
        CASES.put("get_bad_name", GetCases::badName);
        CASES.put("get_out_of_range", GetCases::outOfRange);
        CASES.put("cancel_mid_stream", GetCases::cancelMidStream);
        CASES.put("bench_get", GetCases::bench);
        CASES.put("checksum", ConnectionCases::checksum);
        CASES.put("gzip", ConnectionCases::gzip);
        CASES.put("tls", ConnectionCases::tls);
        CASES.put("token", ConnectionCases::token);
        CASES.put("health", ConnectionCases::health);
        CASES.put("reflection", ConnectionCases::reflection);
    }

    private Driver() {}

    /** Runs the case that the arguments name. */
    public static void main(String[] argv) {
        var args = new Args();
        new CommandLine(args).parseArgs(argv);
        startLimit(args.name);
        System.exit(run(args));
    }

    private static int run(Args args) {
        var test = CASES.get(args.name);
        if (test == null) {
            System.err.println("unknown case " + args.name);
            return FAILED;
        }
        try {
            test.run(args);
            return 0;
        } catch (Check.Impossible e) {
            System.out.println(e.getMessage());
            return IMPOSSIBLE;
        } catch (Exception e) {
            System.err.println(args.name + ": " + e);
            return FAILED;
        }
    }

    private static void startLimit(String name) {
        var limit =
                new Thread(
                        () -> {
                            try {
                                Thread.sleep(LIMIT_MILLIS);
                            } catch (InterruptedException e) {
                                return;
                            }
                            System.err.println(name + ": not done after " + LIMIT_MILLIS + " ms");
                            Runtime.getRuntime().halt(FAILED);
                        });
        limit.setDaemon(true);
        limit.start();
    }
}

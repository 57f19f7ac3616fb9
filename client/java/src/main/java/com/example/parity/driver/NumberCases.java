package com.example.parity.driver;

import com.example.parity.numbers.v1.DrawRequest;
import com.example.parity.numbers.v1.Parity;

/** Cases of Draw. */
final class NumberCases {
    /** How many numbers a case draws. */
    private static final int DRAWS = 20;

    private static final int LARGEST = 99;

    private NumberCases() {}

    static void drawEven(Args args) throws Exception {
        draw(args, Parity.PARITY_EVEN);
    }

    static void drawOdd(Args args) throws Exception {
        draw(args, Parity.PARITY_ODD);
    }

    private static void draw(Args args, Parity parity) throws Exception {
        try (var client = args.client()) {
            for (int i = 0; i < DRAWS; i++) {
                var request = DrawRequest.newBuilder().setParity(parity).build();
                var drawn = client.numbers().draw(request);
                checkNumber(drawn.getNumber(), drawn.getParity(), parity);
            }
        }
    }

    static void checkNumber(int number, Parity got, Parity want) throws Check.Failure {
        int rest = want == Parity.PARITY_EVEN ? 0 : 1;
        Check.that(
                number >= 0 && number <= LARGEST && number % 2 == rest && got == want,
                "got %d with %s, want one with %s",
                number,
                got,
                want);
    }
}

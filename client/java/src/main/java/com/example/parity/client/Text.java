package com.example.parity.client;

/** Makes text from a server fit for a terminal. */
public final class Text {
    private Text() {}

    /**
     * Returns the text with its control, format and direction characters escaped, so that it
     * cannot change what a terminal shows.
     */
    public static String printable(String text) {
        var out = new StringBuilder(text.length());
        text.codePoints()
                .forEach(
                        c -> {
                            switch (Character.getType(c)) {
                                case Character.CONTROL,
                                                Character.FORMAT,
                                                Character.LINE_SEPARATOR,
                                                Character.PARAGRAPH_SEPARATOR,
                                                Character.SURROGATE ->
                                        out.append(String.format("\\u{%x}", c));
                                default -> out.appendCodePoint(c);
                            }
                        });
        return out.toString();
    }
}

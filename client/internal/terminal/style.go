package terminal

import "os"

// Color is how text looks on a terminal. Its zero value is the terminal's own color.
type Color string

// Colors, as the parameters of the control sequence SGR.
const (
	Bold   Color = "1"
	Dim    Color = "2"
	Red    Color = "31"
	Green  Color = "32"
	Yellow Color = "33"
)

// Style paints text, or does not. Its zero value does not.
type Style struct{ color bool }

// StyleOf returns the style for a standard stream. There is color on a terminal, unless
// the user does not want any (https://no-color.org) or the terminal has none.
func StyleOf(f any) Style {
	return Style{color: Is(f) && understands(f.(*os.File)) && os.Getenv("NO_COLOR") == "" && os.Getenv("TERM") != "dumb"}
}

// Paint returns text in that color, if the style has colors. The text must be safe.
func (s Style) Paint(c Color, text string) string {
	if !s.color || c == "" || text == "" {
		return text
	}
	return "\x1b[" + string(c) + "m" + text + "\x1b[0m"
}

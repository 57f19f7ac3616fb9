package legacytcp

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"strings"
	"unicode"
	"unicode/utf8"

	ogorek "github.com/kisielk/og-rek"
)

// pickleProtocol is the newest protocol that every Python 3 reads, and the first whose
// only string type is str.
const pickleProtocol = 3

// maxList is the maximum size of a list in memory, in bytes. The names in a cache of
// 64 MiB are shorter.
const maxList = 64 << 20

var errListTooLong = errors.New("the list of files is too long")

// pickleNames returns names as a pickled Python list of str.
func pickleNames(names []string) ([]byte, error) {
	valid := make([]string, len(names))
	for i, name := range names {
		valid[i] = strings.ToValidUTF8(name, "\uFFFD") // one invalid name would make the whole list unreadable for Python
	}
	var b bytes.Buffer
	err := ogorek.NewEncoderWithConfig(&b, &ogorek.EncoderConfig{Protocol: pickleProtocol}).Encode(valid)
	return b.Bytes(), err
}

// unpickleNames decodes one pickled list of strings, of any protocol, and nothing else.
// It runs no code that the pickle names: og-rek builds only plain values.
func unpickleNames(pickle []byte) (names []string, err error) {
	d := ogorek.NewDecoder(bytes.NewReader(pickle))
	v, err := d.Decode()
	if err != nil {
		return nil, fmt.Errorf("unpickling the list: %w", err)
	}
	list, ok := v.([]any)
	if !ok {
		return nil, fmt.Errorf("the list is a %T", v)
	}
	names = make([]string, len(list))
	for i, v := range list {
		if names[i], ok = v.(string); !ok {
			return nil, fmt.Errorf("the list contains a %T", v)
		}
	}
	if _, err := d.Decode(); !errors.Is(err, io.EOF) {
		return nil, errors.New("there is more than the list")
	}
	return names, nil
}

// joinNames returns each name followed by end. What is not plain is
// percent-encoded, byte for byte.
func joinNames(names []string, plain func(rune) bool, end byte) (joined []byte) {
	const hex = "0123456789ABCDEF"
	for _, name := range names {
		for len(name) > 0 {
			r, size := utf8.DecodeRuneInString(name)
			if plain(r) && (r != utf8.RuneError || size > 1) {
				joined = append(joined, name[:size]...)
			} else {
				for _, b := range []byte(name[:size]) {
					joined = append(joined, '%', hex[b>>4], hex[b&15])
				}
			}
			name = name[size:]
		}
		joined = append(joined, end)
	}
	return joined
}

// isUnreserved is RFC 3986's unreserved, and the slash between the parts of a
// name.
func isUnreserved(r rune) bool {
	switch {
	case 'a' <= r && r <= 'z', 'A' <= r && r <= 'Z', '0' <= r && r <= '9':
		return true
	}
	return strings.ContainsRune("-._~/", r)
}

func isPrintable(r rune) bool { return !unicode.IsControl(r) }

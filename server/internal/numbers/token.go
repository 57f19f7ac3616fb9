package numbers

import (
	"encoding/base64"
	"encoding/binary"
	"hash/crc32"

	"example.com/parity/server/internal/apierror"
	"example.com/parity/server/internal/register"
)

// A session token is Registered.session: the client ID, the session ID, the revision of
// the record when the session began, all big-endian, and the CRC-32C of these. The client
// ID and the checksum prevent mistakes. They are no protection: a client that forges a
// token could as well report without one.
const (
	tokenSize = 4 + 8 + 8 + crc32.Size
	// tokenLength is the length of its text. No bits are left over, so each token has
	// exactly one text.
	tokenLength = tokenSize / 3 * 4
)

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// encodeSession returns the token of a client's session.
func encodeSession(client int32, s register.Session) string {
	b := make([]byte, 0, tokenSize)
	b = binary.BigEndian.AppendUint32(b, uint32(client))
	b = binary.BigEndian.AppendUint64(b, uint64(s.ID))
	b = binary.BigEndian.AppendUint64(b, uint64(s.Revision))
	b = binary.BigEndian.AppendUint32(b, crc32.Checksum(b, castagnoli))
	return base64.RawURLEncoding.EncodeToString(b)
}

// decodeSession returns the session of a token, which must be this client's. Its error is
// a status.
func decodeSession(client int32, token string) (register.Session, error) {
	errInvalid := func() (register.Session, error) {
		return register.Session{}, apierror.InvalidArgument("INVALID_SESSION", "report.repeats_session",
			"is not one that Registered told this client")
	}
	if len(token) != tokenLength {
		return errInvalid()
	}
	b, err := base64.RawURLEncoding.DecodeString(token)
	if err != nil || len(b) != tokenSize { // shorter with line breaks, which the decoder ignores
		return errInvalid()
	}
	s := register.Session{
		ID:       int64(binary.BigEndian.Uint64(b[4:])),
		Revision: int64(binary.BigEndian.Uint64(b[12:])),
	}
	if token != encodeSession(client, s) || s.ID == 0 || s.Revision < 0 {
		return errInvalid()
	}
	return s, nil
}

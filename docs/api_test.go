package docs_test

import (
	"path"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/types/descriptorpb"

	"example.com/parity/internal/prototest"
)

var (
	reasonInCode  = regexp.MustCompile(`apierror\.\w+\((?:codes\.\w+, )?"([A-Z][A-Z_]+)"`)
	reasonInProto = regexp.MustCompile(`\b[A-Z]+(?:_[A-Z]+)+\b|\(INTERNAL\)`)
	// notReasons are the names in the comments of the protos that are none.
	notReasons = regexp.MustCompile(`^(NOT_FOUND|OUT_OF_RANGE|PERMISSION_DENIED|INVALID_ARGUMENT|FAILED_PRECONDITION|RESOURCE_EXHAUSTED|DEADLINE_EXCEEDED|(SOURCE|PARITY|DOOR)_.*)$`)
)

// TestReasons compares the reasons of errors in the code of each service with those in the
// comments of its proto.
func TestReasons(t *testing.T) {
	// What the packages that serve both services say.
	shared := []string{"server/internal/apierror", "server/internal/auth", "server/internal/callrate", "server/internal/h2"}
	for proto, dir := range map[string]string{
		"proto/parity/files/v1/files.proto":     "server/internal/files",
		"proto/parity/numbers/v1/numbers.proto": "server/internal/numbers",
	} {
		given := map[string]bool{"INTERNAL": true}
		for _, file := range sources(t, ".go") {
			if strings.HasSuffix(file, "_test.go") || !slices.Contains(append(shared, dir), path.Dir(file)) {
				continue
			}
			text := read(t, filepath.Join(root, file))
			for _, m := range reasonInCode.FindAllStringSubmatch(text, -1) {
				given[m[1]] = true
			}
			if strings.Contains(text, `"SHUTTING_DOWN"`) {
				given["SHUTTING_DOWN"] = true
			}
		}
		if len(given) < 10 {
			t.Errorf("%s: only the reasons %v", dir, given)
		}
		documented := map[string]bool{}
		text := read(t, filepath.Join(root, proto))
		for line := range strings.Lines(text) {
			if !strings.HasPrefix(strings.TrimSpace(line), "//") {
				continue
			}
			for _, name := range reasonInProto.FindAllString(line, -1) {
				if name = strings.Trim(name, "()"); !notReasons.MatchString(name) {
					documented[name] = true
				}
			}
		}
		for reason := range given {
			if ofFiles := strings.HasPrefix(reason, "FILE_"); ofFiles && strings.HasSuffix(dir, "/numbers") {
				continue // a shared package says it of files only
			}
			if !documented[reason] {
				t.Errorf("%s does not document %s", proto, reason)
			}
		}
		for reason := range documented {
			if !given[reason] {
				t.Errorf("%s documents %s, which %s does not give", proto, reason, dir)
			}
		}
	}
}

// cppKeywords are those of C++ that are words one would choose for a field.
var cppKeywords = strings.Fields(`and bool break case catch char class continue default delete do double else enum
	explicit export extern false float for friend goto if inline int long mutable namespace new not or operator
	private protected public register requires return short signed static struct switch template this throw true
	try typename union unsigned using virtual void volatile while xor`)

// TestFields checks rules for fields that no linter has.
func TestFields(t *testing.T) {
	for message := range prototest.Types() {
		fields := message.Descriptor().Fields()
		for i := range fields.Len() {
			f := fields.Get(i)
			if slices.Contains(cppKeywords, string(f.Name())) {
				t.Errorf("%s is a keyword of C++", f.FullName())
			}
			// JavaScript rounds numbers beyond 2^53, or fails.
			wide := f.Kind() == protoreflect.Int64Kind || f.Kind() == protoreflect.Uint64Kind
			asText := f.Options().(*descriptorpb.FieldOptions).GetJstype() == descriptorpb.FieldOptions_JS_STRING
			if wide != asText {
				t.Errorf("%s: jstype is JS_STRING: %v, want %v", f.FullName(), asText, wide)
			}
		}
	}
}

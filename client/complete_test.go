package main

import (
	"fmt"
	"os"
	"os/exec"
	"strings"
	"testing"

	"example.com/parity/client/internal/fakeserver"
)

// newNames returns a server with names that are hard to complete.
func newNames(tb testing.TB) *fakeserver.Server {
	tb.Helper()
	files := new(fakeserver.Files)
	for _, name := range []string{"blue fish.txt", "c:d.txt", "photos/2019/a.jpg", "photos/2019/b.jpg", "photos/2020.jpg", "größe", "control\x1b[2J", "it's"} {
		files.Put(name, nil)
	}
	return fakeserver.Start(tb, files, nil)
}

func TestComplete(t *testing.T) {
	newConfig(t)
	server := newNames(t)
	t.Setenv("PARITY_CLIENT_ADDR", server.Addr)
	for _, name := range []string{"lab", "lobby"} {
		if status, _, errs := runProgram(t.Context(), "", "context", "add", name, "--addr", "localhost:1"); status != 0 {
			t.Fatal(errs)
		}
	}
	for words, want := range map[string]string{
		"sta":                        "words stat",
		"get ":                       "names blue fish.txt|c:d.txt|photos/|größe|it's",
		"get p":                      "nospace photos/",
		"get photos/":                "names photos/2019/|photos/2020.jpg",
		"get x photos/2019/":         "names photos/2019/a.jpg|photos/2019/b.jpg",
		"get none":                   "names",
		"stat gr":                    "names größe",
		"stat größe ":                "words",
		"list b":                     "names blue fish.txt",
		"--addr=localhost:1 get ":    "names",
		"--addr localhost:1 get ":    "names",
		"--context lab get ":         "names",
		"bench get --file=b":         "names --file=blue fish.txt",
		"bench get --file b":         "names blue fish.txt",
		"bench l":                    "words legacy-get|legacy-draw|legacy-count",
		"draw ":                      "words even|odd|any",
		"draw e":                     "words even",
		"draw even ":                 "words",
		"completion ":                "words bash|zsh|fish",
		"--tls-c":                    "words --tls-ca|--tls-cert",
		"--tls-ca ":                  "files",
		"--tls-ca=x":                 "files",
		"get -d ":                    "dirs",
		"get --dir=":                 "dirs",
		"get -- -":                   "names",
		"--context ":                 "words lab|lobby",
		"--context=la":               "words --context=lab",
		"context use lo":             "words lobby",
		"context add l":              "words",
		"--tls draw o":               "words odd",
		"help be":                    "words bench",
		"help bench leg":             "words legacy-get|legacy-draw|legacy-count",
		"stat --by":                  "words --bytes",
		"--nonsense=x --context=lob": "words --context=lobby",
	} {
		_, out, errs := runProgram(t.Context(), "", append([]string{completing, "zsh", "client"}, strings.Split(words, " ")...)...)
		var got []string
		for line := range strings.Lines(out) {
			word, _, _ := strings.Cut(strings.TrimSuffix(line, "\n"), "\t")
			got = append(got, word)
		}
		if text := strings.TrimSpace(got[0] + " " + strings.Join(got[1:], "|")); text != want || errs != "" {
			t.Errorf("%q becomes %q, %q, want %q", words, text, errs, want)
		}
	}
	for _, args := range []string{"", "bash", "bash client", "zsh", "zsh client"} {
		if status, out, _ := runProgram(t.Context(), "", append([]string{completing}, strings.Fields(args)...)...); out != "" || status == exitFailed {
			t.Errorf("%s %s: status %d, %q", completing, args, status, out)
		}
	}
}

// shell runs a script in a real shell, with the client in its path.
func shell(t *testing.T, script string, command ...string) string {
	t.Helper()
	path, err := exec.LookPath(command[0])
	if err != nil {
		t.Skip(err)
	}
	server, home := newNames(t), t.TempDir()
	cmd := exec.CommandContext(t.Context(), path, append(command[1:], script)...)
	cmd.Dir = home
	cmd.Env = append(os.Environ(), asProgram+"=1", "PARITY_CLIENT_ADDR="+server.Addr, "HOME="+home, "XDG_CONFIG_HOME="+home,
		"PATH="+newBinary(t)+":"+os.Getenv("PATH"), "LC_ALL=C.UTF-8")
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	return string(out)
}

// TestBash calls the function as readline does: with the line, and the words that it is
// cut into at COMP_WORDBREAKS.
func TestBash(t *testing.T) {
	const script = `
source <(client completion bash)
try() {
	COMP_LINE=$1 COMP_POINT=${#1} COMPREPLY=()
	COMP_WORDS=(client)
	_client_complete
	printf '%s\n' "$1: ${COMPREPLY[*]/%/;}"
}
touch local.txt; mkdir locals
complete -p client
try 'client sta'
try 'client get blue\ f'
try "client get 'blue "
try 'client get c:'
try 'client get "c:'
try 'client --addr=localhost:1 get '
try 'client bench get --file=bl'
try 'client get photos/2019/'
try 'client get -o lo'
try 'client get --output=lo'
try 'client get -d lo'
try "ls; client get it\\'"
`
	want := `complete -F _client_complete client
client sta: stat;
client get blue\ f: blue fish.txt;
client get 'blue : blue fish.txt;
client get c:: d.txt;
client get "c:: c:d.txt;
client --addr=localhost:1 get : 
client bench get --file=bl: blue fish.txt;
client get photos/2019/: photos/2019/a.jpg; photos/2019/b.jpg;
client get -o lo: local.txt; locals;
client get --output=lo: local.txt; locals;
client get -d lo: locals;
ls; client get it\': it's;
`
	if out := shell(t, script, "bash", "--noprofile", "--norc", "-c"); out != want {
		t.Errorf("got\n%s\nwant\n%s", out, want)
	}
}

func TestFish(t *testing.T) {
	script := "client completion fish | source\ntouch local.txt\n"
	for _, line := range []string{"client sta", `client get blue\ `, "client get 'blue", "client get ph", "client get -o lo", "client draw ", "client bench get --file=bl"} {
		script += fmt.Sprintf("complete -C %q\n", line)
	}
	want := "stat\tDescribe a file, without reading it.\nblue fish.txt\nblue fish.txt\nphotos/\nlocal.txt\neven\nodd\nany\n--file=blue fish.txt\n"
	out := shell(t, script, "fish", "--no-config", "-c")
	if sorted := strings.Replace(out, "any\neven\nodd\n", "even\nodd\nany\n", 1); sorted != want {
		t.Errorf("got\n%s\nwant\n%s", out, want)
	}
}

// TestZsh completes in a pseudo-terminal, as zsh has no other way.
func TestZsh(t *testing.T) {
	const script = `
zmodload zsh/zpty || exit
zpty z zsh -f -i
zpty -w z 'PS1=; autoload -Uz compinit; compinit -u -D; source <(client completion zsh)'
zpty -w z 'bindkey "^I" complete-word; setopt no_beep; show() { print -r -- "<$BUFFER>"; BUFFER= }; zle -N show; bindkey "^X" show'
zpty -w z 'print REA""DY'
zpty -r z reply '*READY*'
for line in 'client sta' 'client get blue\ ' "client get 'blue" 'client get ph' 'client get bl' 'client bench get --file=bl' 'client -'; do
	zpty -w -n z "$line"$'\t\x18'
	zpty -r z reply '*<*>*'
	print -r -- "${${reply##*<}%%>*}"
done
zpty -d z
`
	want := `client stat 
client get blue\ fish.txt 
client get 'blue fish.txt' 
client get photos/
client get blue\ fish.txt 
client bench get --file=blue\ fish.txt 
client --
`
	if out := shell(t, script, "zsh", "-f", "-c"); out != want {
		t.Errorf("got\n%s\nwant\n%s", out, want)
	}
}

package docs_test

import (
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"go.yaml.in/yaml/v3"
)

// programs are the server and the client, built for these tests.
type programs struct{ server, client string }

func newPrograms(tb testing.TB) programs {
	tb.Helper()
	dir := tb.TempDir()
	cmd := exec.Command("go", "build", "-o", dir+"/", "./server", "./client")
	cmd.Dir = root
	if out, err := cmd.CombinedOutput(); err != nil {
		tb.Fatalf("go build: %v\n%s", err, out)
	}
	return programs{filepath.Join(dir, "server"), filepath.Join(dir, "client")}
}

// checkCommand checks the words of a command line in a file: its flags must exist.
func (p programs) checkCommand(tb testing.TB, file string, words []string) {
	tb.Helper()
	binary := p.server
	if filepath.Base(words[0]) == "client" {
		binary = p.client
	}
	// With --help the program checks the names of the flags before it, and does nothing.
	out, err := exec.Command(binary, append(slices.Clone(words[1:]), "--help")...).CombinedOutput()
	if err != nil {
		tb.Errorf("%s: %q: %v\n%s", file, words, err, out)
	}
}

var variable = regexp.MustCompile(`\bPARITY_[A-Z][A-Z_]*[A-Z]\b`)

// variables returns the environment variables that the programs read.
func (p programs) variables(tb testing.TB) map[string]bool {
	tb.Helper()
	known := map[string]bool{}
	for _, words := range [][]string{{p.server, "serve", "--help"}, {p.client, "list", "--help"}} {
		out, err := exec.Command(words[0], words[1:]...).Output()
		if err != nil {
			tb.Fatal(err)
		}
		for _, name := range variable.FindAllString(string(out), -1) {
			known[name] = true
		}
	}
	return known
}

var comment = regexp.MustCompile(`(?m)^\s*#.*$`)

// deployFiles are all files that name flags, variables or ports.
func deployFiles(tb testing.TB) map[string]string {
	tb.Helper()
	all := map[string]string{"Dockerfile": read(tb, filepath.Join(root, "Dockerfile"))}
	for _, pattern := range []string{"deploy/*.yaml", "deploy/systemd/*"} {
		names, err := filepath.Glob(pattern)
		if err != nil {
			tb.Fatal(err)
		}
		for _, name := range names {
			all[name] = read(tb, name)
		}
	}
	for name := range all {
		all[name] = comment.ReplaceAllString(all[name], "")
	}
	return all
}

// image is what a Dockerfile says of its last stage.
type image struct {
	commands [][]string // of the server and of the health check
	ports    []string
	user     string
	env      map[string]string
}

var (
	quoted     = regexp.MustCompile(`"([^"]*)"`)
	assignment = regexp.MustCompile(`(\w+)=(\S+)`)
)

func readImage(tb testing.TB) image {
	tb.Helper()
	text := strings.ReplaceAll(deployFiles(tb)["Dockerfile"], "\\\n", " ")
	text = text[strings.LastIndex(text, "\nFROM "):]
	i := image{env: map[string]string{}}
	var entry []string
	for line := range strings.Lines(text) {
		instruction, rest, _ := strings.Cut(strings.TrimSpace(line), " ")
		var words []string
		for _, m := range quoted.FindAllStringSubmatch(rest, -1) {
			words = append(words, m[1])
		}
		switch instruction {
		case "ENTRYPOINT":
			entry = words
		case "CMD":
			i.commands = append(i.commands, append(entry, words...))
		case "HEALTHCHECK":
			i.commands = append(i.commands, words)
		case "EXPOSE":
			i.ports = strings.Fields(rest)
		case "USER":
			i.user = rest
		case "ENV":
			for _, m := range assignment.FindAllStringSubmatch(rest, -1) {
				i.env[m[1]] = m[2]
			}
		}
	}
	if len(i.commands) != 2 || len(i.ports) != 3 {
		tb.Fatalf("Dockerfile: %+v", i)
	}
	return i
}

// node is a value in YAML.
type node struct{ any }

// yamlDocuments returns the documents of a file.
func yamlDocuments(tb testing.TB, name string) []node {
	tb.Helper()
	var all []node
	for d := yaml.NewDecoder(strings.NewReader(read(tb, name))); ; {
		var value any
		if err := d.Decode(&value); errors.Is(err, io.EOF) {
			return all
		} else if err != nil {
			tb.Fatalf("%s: %v", name, err)
		}
		all = append(all, node{value})
	}
}

// get returns the value at a path of keys; nil if there is none.
func (n node) get(keys ...string) node {
	for _, key := range keys {
		m, _ := n.any.(map[string]any)
		n = node{m[key]}
	}
	return n
}

func (n node) list() []node {
	values, _ := n.any.([]any)
	all := make([]node, len(values))
	for i, v := range values {
		all[i] = node{v}
	}
	return all
}

func (n node) String() string { return fmt.Sprint(n.any) }

func (n node) words() []string {
	var all []string
	for _, v := range n.list() {
		all = append(all, v.String())
	}
	return all
}

// TestDeployNames looks up the flags and environment variables of all examples in the
// programs.
func TestDeployNames(t *testing.T) {
	p := newPrograms(t)
	known := p.variables(t)
	found := 0
	for file, text := range deployFiles(t) {
		for _, name := range variable.FindAllString(text, -1) {
			found++
			if !known[name] {
				t.Errorf("%s: no program reads %s", file, name)
			}
		}
	}
	if found < 15 {
		t.Errorf("only %d variables", found)
	}
	for _, words := range readImage(t).commands {
		p.checkCommand(t, "Dockerfile", words)
	}
	container := deployment(t).get("spec", "template", "spec", "containers").list()[0]
	p.checkCommand(t, "kubernetes.yaml", append([]string{"server"}, container.get("args").words()...))
	for _, probe := range []string{"startupProbe", "readinessProbe", "livenessProbe"} {
		p.checkCommand(t, "kubernetes.yaml", container.get(probe, "exec", "command").words())
	}
	unit := strings.ReplaceAll(deployFiles(t)["deploy/systemd/parity.service"], "\\\n", " ")
	_, start, _ := strings.Cut(unit, "\nExecStart=")
	start, _, _ = strings.Cut(start, "\n")
	p.checkCommand(t, "parity.service", strings.Fields(start))
	for _, name := range socketNames(t) {
		p.checkCommand(t, "parity-"+name+".socket", []string{"server", "serve", "--" + name + "=localhost:0"})
	}
}

var descriptorName = regexp.MustCompile(`(?m)^FileDescriptorName=(.*)$`)

// socketNames returns the names of the sockets that systemd opens: those of their files.
func socketNames(tb testing.TB) []string {
	tb.Helper()
	var names []string
	for file, text := range deployFiles(tb) {
		if filepath.Ext(file) != ".socket" {
			continue
		}
		m := descriptorName.FindStringSubmatch(text)
		if m == nil || filepath.Base(file) != "parity-"+m[1]+".socket" {
			tb.Fatalf("%s has the name %q", file, m)
		}
		names = append(names, m[1])
	}
	slices.Sort(names)
	if want := []string{"admin", "grpc", "legacy", "legacy-tls"}; !slices.Equal(names, want) {
		tb.Errorf("sockets %q, want %q", names, want)
	}
	return names
}

// deployment returns the Deployment of kubernetes.yaml.
func deployment(tb testing.TB) node {
	tb.Helper()
	return resource(tb, "Deployment", "parity")
}

// resource returns an object of kubernetes.yaml.
func resource(tb testing.TB, kind, name string) node {
	tb.Helper()
	for _, d := range yamlDocuments(tb, "deploy/kubernetes.yaml") {
		if d.get("kind").any == kind && d.get("metadata", "name").any == name {
			return d
		}
	}
	tb.Fatalf("no %s %s", kind, name)
	return node{}
}

// TestDeployPorts compares the ports of all examples with those of the image.
func TestDeployPorts(t *testing.T) {
	i := readImage(t)
	port := func(address string) string { return address[strings.LastIndex(address, ":")+1:] }
	if i.user != "65532:65532" {
		t.Errorf("the image runs as %s", i.user)
	}
	compose := yamlDocuments(t, "deploy/compose.yaml")[0]
	admin := port(compose.get("x-server", "environment", "PARITY_ADMIN").String())
	want := []string{port(i.env["PARITY_GRPC"]), port(i.env["PARITY_LEGACY"]), admin}
	if !slices.Equal(i.ports, want) {
		t.Errorf("EXPOSE %q, the settings have %q", i.ports, want)
	}
	for _, server := range []string{"server-1", "server-2"} {
		for _, published := range compose.get("services", server, "ports").words() {
			if !slices.Contains(i.ports, port(published)) {
				t.Errorf("compose.yaml: %s publishes %s", server, published)
			}
		}
	}
	job := yamlDocuments(t, "deploy/prometheus.yaml")[0].get("scrape_configs").list()[0]
	for _, target := range job.get("static_configs").list()[0].get("targets").words() {
		service, number, _ := strings.Cut(target, ":")
		if number != admin || compose.get("services", service).any == nil {
			t.Errorf("prometheus.yaml: no target %s", target)
		}
	}

	named := map[string]string{}
	pod := deployment(t).get("spec", "template", "spec")
	for _, p := range pod.get("containers").list()[0].get("ports").list() {
		named[p.get("name").String()] = p.get("containerPort").String()
	}
	if got := []string{named["grpc"], named["legacy"], named["admin"]}; !slices.Equal(got, i.ports) {
		t.Errorf("kubernetes.yaml has the ports %q, want %q", got, i.ports)
	}
	if got := port(resource(t, "ConfigMap", "parity").get("data", "PARITY_ADMIN").String()); got != admin {
		t.Errorf("kubernetes.yaml has --admin at %s", got)
	}
	for _, name := range []string{"parity", "parity-legacy"} {
		for _, p := range resource(t, "Service", name).get("spec", "ports").list() {
			if named[p.get("targetPort").String()] != p.get("port").String() {
				t.Errorf("Service %s: %v", name, p)
			}
		}
	}
	for _, rule := range resource(t, "NetworkPolicy", "parity").get("spec", "ingress").list() {
		for _, p := range rule.get("ports").list() {
			if named[p.get("port").String()] == "" {
				t.Errorf("NetworkPolicy: no port %v", p)
			}
		}
	}
	mesh := yamlDocuments(t, "deploy/kubernetes-mesh.yaml")[0].get("spec", "template", "spec", "containers").list()[0]
	for _, probe := range []string{"startupProbe", "readinessProbe", "livenessProbe"} {
		if got := mesh.get(probe, "grpc", "port").String(); got != named["grpc"] {
			t.Errorf("kubernetes-mesh.yaml: %s asks port %s", probe, got)
		}
	}
}

// TestDeployFiles looks up the files that the examples mount: those in the repository, and
// in kubernetes.yaml those below a mount.
func TestDeployFiles(t *testing.T) {
	compose := yamlDocuments(t, "deploy/compose.yaml")[0]
	for _, v := range compose.get("services", "prometheus", "volumes").list() {
		checkMounted(t, v)
	}
	for _, v := range compose.get("services", "grafana", "volumes").list() {
		checkMounted(t, v)
	}
	for _, rules := range yamlDocuments(t, "deploy/prometheus.yaml")[0].get("rule_files").words() {
		if !strings.Contains(read(t, "deploy/compose.yaml"), "target: /etc/prometheus/"+rules+",") {
			t.Errorf("compose.yaml does not mount %s", rules)
		}
	}
	container := deployment(t).get("spec", "template", "spec", "containers").list()[0]
	var mounts []string
	for _, m := range container.get("volumeMounts").list() {
		mounts = append(mounts, m.get("mountPath").String())
	}
	settings, _ := resource(t, "ConfigMap", "parity").get("data").any.(map[string]any)
	for name, value := range settings {
		path := fmt.Sprint(value)
		if filepath.IsAbs(path) && !slices.Contains(mounts, filepath.Dir(path)) {
			t.Errorf("kubernetes.yaml: %s=%s is on none of %q", name, path, mounts)
		}
	}
}

func checkMounted(tb testing.TB, volume node) {
	tb.Helper()
	source, ok := strings.CutPrefix(volume.get("source").String(), "./")
	if !ok || strings.HasPrefix(source, "secrets/") { // which operators make
		return
	}
	_, err := os.Stat(filepath.Join("deploy", source))
	if err != nil {
		tb.Errorf("compose.yaml: %v", err)
	}
}

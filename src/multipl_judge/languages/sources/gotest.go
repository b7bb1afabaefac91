// Command gotest compiles one Go test file that it reads from standard input, as `go test -c -vet=off` would do, but
// without the go command, which looks at every package again each time. Nothing but Go source gets into the program:
// no embedded files, which could be the file with the tests, and no C.
//
//	gotest prepare FOLDER GO PACKAGE...    compile packages, and what they import, into a folder
//	gotest compile FOLDER BINARY           compile the program on standard input against those packages
package main

import (
	"errors"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"go/types"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
)

const listed = `{{if .Export}}{{.ImportPath}}={{.Export}}{{end}}`

const mainText = `package main

import (
	"os"
	"reflect"
	"testing"
	"testing/internal/testdeps"

	judged "judged"
)

var _ = reflect.ValueOf

func main() {
	m := testing.MainStart(testdeps.TestDeps{}, []testing.InternalTest{%s}, nil, nil, nil)
	%s
}
`

const (
	runTests = "os.Exit(m.Run())"
	callMain = "judged.TestMain(m)\n\tos.Exit(int(reflect.ValueOf(m).Elem().FieldByName(\"exitCode\").Int()))"
)

func main() {
	var err error
	if os.Args[1] == "prepare" {
		err = prepare(os.Args[2], os.Args[3], os.Args[4:])
	} else {
		err = compile(os.Args[2], os.Args[3])
	}
	var failed *exec.ExitError
	if err != nil {
		if !errors.As(err, &failed) || !failed.Exited() {
			fmt.Fprintln(os.Stderr, err)
		}
		os.Exit(1)
	}
}

// prepare copies compiled packages into the folder, and writes their list and the place of the compiler beside them.
func prepare(folder, goCommand string, packages []string) error {
	list := exec.Command(goCommand, append([]string{"list", "-e", "-export", "-deps", "-f", listed}, packages...)...)
	list.Stderr = os.Stderr
	lines, err := list.Output()
	if err != nil {
		return err
	}
	var config strings.Builder
	for number, line := range strings.Fields(string(lines)) {
		name, file, _ := strings.Cut(line, "=")
		archive := fmt.Sprintf("%d.a", number)
		content, err := os.ReadFile(file)
		if err != nil {
			return err
		}
		if err := os.WriteFile(filepath.Join(folder, archive), content, 0o644); err != nil {
			return err
		}
		fmt.Fprintf(&config, "packagefile %s=%s\n", name, archive)
	}
	if err := os.WriteFile(filepath.Join(folder, "importcfg"), []byte(config.String()), 0o644); err != nil {
		return err
	}
	tools, err := exec.Command(goCommand, "env", "GOTOOLDIR").Output()
	if err != nil {
		return err
	}
	return os.WriteFile(filepath.Join(folder, "tools"), []byte(strings.TrimSpace(string(tools))), 0o644)
}

// compile makes a binary that runs the tests in the order in which they stand in the source.
func compile(folder, binary string) error {
	source, err := io.ReadAll(os.Stdin)
	if err != nil {
		return err
	}
	mainSource, err := mainOf(source)
	if err != nil {
		return err
	}
	packages := [][2]string{{"main", "main_test.go"}}
	if mainSource != "" {
		packages = [][2]string{{"judged", "main_test.go"}, {"main", "main.go"}}
	}
	config, err := os.ReadFile(filepath.Join(folder, "importcfg"))
	if err != nil {
		return err
	}
	tools, err := os.ReadFile(filepath.Join(folder, "tools"))
	if err != nil {
		return err
	}
	scratch, err := os.MkdirTemp("", "gotest")
	if err != nil {
		return err
	}
	in := func(name string) string { return filepath.Join(scratch, name) }
	texts := map[string][]byte{
		"main_test.go": source,
		"main.go":      []byte(mainSource),
		"importcfg":    append(config, []byte("packagefile judged="+in("judged.a")+"\n")...),
	}
	for name, text := range texts {
		if err := os.WriteFile(in(name), text, 0o600); err != nil {
			return err
		}
	}
	shared := []string{"-trimpath", scratch, "-importcfg", in("importcfg"), "-complete", "-pack", "-dwarf=false"}
	run := func(tool string, arguments ...string) error {
		command := exec.Command(filepath.Join(string(tools), tool), arguments...)
		command.Dir = folder
		command.Stdout, command.Stderr = os.Stdout, os.Stderr
		command.Env = append(os.Environ(), "GOGC=off", "GOMEMLIMIT=512MiB") // collecting costs a fifth of the time
		return command.Run()
	}
	for _, one := range packages {
		arguments := append([]string{"-p", one[0], "-o", in(one[0] + ".a")}, shared...)
		if err := run("compile", append(arguments, in(one[1]))...); err != nil {
			return err
		}
	}
	return run("link", "-s", "-w", "-importcfg", in("importcfg"), "-o", binary, in("main.a"))
}

// mainOf is the text of a main package that does what `go test` makes for the tests in the source; empty where the
// source has no tests but a main function, and is that package itself.
func mainOf(source []byte) (string, error) {
	file, err := parser.ParseFile(token.NewFileSet(), "main_test.go", source, parser.SkipObjectResolution)
	if err != nil {
		return "", err
	}
	var tests strings.Builder
	start, isProgram := runTests, false
	for _, declaration := range file.Decls {
		function, ok := declaration.(*ast.FuncDecl)
		isProgram = isProgram || (ok && function.Recv == nil && function.Name.Name == "main")
		if !ok || function.Recv != nil || function.Type.Results != nil || function.Type.Params.NumFields() != 1 {
			continue
		}
		if name := function.Name.Name; name == "TestMain" {
			start = callMain
		} else if strings.HasPrefix(name, "Test") {
			fmt.Fprintf(&tests, "{Name: %q, F: judged.%s}, ", name, name)
		}
	}
	if err := refuse(file, source); err != nil {
		return "", err
	}
	if isProgram && start == runTests {
		return "", nil
	}
	return fmt.Sprintf(mainText, tests.String(), start), nil
}

// tested finds words of the tests; a program without tests has no such line.
var tested = regexp.MustCompile(`(?m)^//words of the tests: (.*)$`)

// refuse tells of declarations that change what the tests mean, and of symbols taken by the names that linkers know.
func refuse(file *ast.File, source []byte) error {
	words := map[string]bool{}
	for _, line := range tested.FindAllSubmatch(source, -1) {
		for _, word := range strings.Fields(string(line[1])) {
			words[word] = types.Universe.Lookup(word) != nil
		}
	}
	for _, name := range declared(file) {
		if words[name.Name] {
			return fmt.Errorf("%s: a solution must not declare it anew, for the tests use it", name.Name)
		}
	}
	if strings.Contains(string(source), "//go:linkname") {
		return errors.New("go:linkname: a solution has no use for symbols of the linker")
	}
	return nil
}

// declared lists the names that the file gives to the whole package, and to its imports.
func declared(file *ast.File) []*ast.Ident {
	var names []*ast.Ident
	for _, declaration := range file.Decls {
		switch declaration := declaration.(type) {
		case *ast.FuncDecl:
			if declaration.Recv == nil {
				names = append(names, declaration.Name)
			}
		case *ast.GenDecl:
			for _, spec := range declaration.Specs {
				switch spec := spec.(type) {
				case *ast.TypeSpec:
					names = append(names, spec.Name)
				case *ast.ValueSpec:
					names = append(names, spec.Names...)
				case *ast.ImportSpec:
					if spec.Name != nil {
						names = append(names, spec.Name)
					}
				}
			}
		}
	}
	return names
}

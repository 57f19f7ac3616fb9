// Archive packs a directory, so that the same files always give the same bytes:
//
//	go run .ci/archive.go -time SECONDS ARCHIVE DIRECTORY
//
// ARCHIVE ends in .tar.gz or .zip. Its entries are sorted, begin with the directory's name,
// belong to root, and have the time in SECONDS since 1970. It prints a line for a file of
// SHA-256 sums.
package main

import (
	"archive/tar"
	"archive/zip"
	"compress/flate"
	"compress/gzip"
	"crypto/sha256"
	"errors"
	"flag"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"strings"
	"time"
)

func main() {
	if err := run(os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, "archive:", err)
		os.Exit(1)
	}
}

func run(args []string) (err error) {
	flags := flag.NewFlagSet("archive", flag.ContinueOnError)
	seconds := flags.Int64("time", 0, "`seconds` since 1970, the time of all entries")
	if err := flags.Parse(args); err != nil {
		return err
	}
	if flags.NArg() != 2 {
		return errors.New("which ARCHIVE and DIRECTORY?")
	}
	name, dir := flags.Arg(0), flags.Arg(1)
	file, err := os.Create(name)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, file.Close()) }()

	sum := sha256.New()
	out := io.MultiWriter(file, sum)
	at := time.Unix(*seconds, 0).UTC()
	switch {
	case strings.HasSuffix(name, ".zip"):
		err = pack(dir, newZip(out, at))
	case strings.HasSuffix(name, ".tar.gz"):
		err = pack(dir, newTar(out, at))
	default:
		err = fmt.Errorf("%q: what format is that?", name)
	}
	if err != nil {
		return err
	}
	_, err = fmt.Printf("%x  %s\n", sum.Sum(nil), filepath.Base(name))
	return err
}

// format is a kind of archive.
type format interface {
	// entry begins an entry of so many bytes. The name of a directory ends in a slash.
	entry(name string, size int64, mode fs.FileMode) (io.Writer, error)
	Close() error
}

// Modes of entries, whatever the umask is.
const (
	programMode fs.FileMode = 0o755 // of directories too
	fileMode    fs.FileMode = 0o644
)

// pack adds the directory and what it has. fs.WalkDir sorts.
func pack(dir string, to format) error {
	err := fs.WalkDir(os.DirFS(dir), ".", func(name string, entry fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		info, err := entry.Info()
		if err != nil {
			return err
		}
		inside := path.Join(filepath.Base(dir), name)
		switch {
		case entry.IsDir():
			_, err := to.entry(inside+"/", 0, programMode|fs.ModeDir)
			return err
		case !info.Mode().IsRegular():
			return fmt.Errorf("%q is not a file", name)
		}
		mode := fileMode
		if info.Mode()&0o100 != 0 {
			mode = programMode
		}
		w, err := to.entry(inside, info.Size(), mode)
		if err != nil {
			return err
		}
		return add(w, filepath.Join(dir, name))
	})
	return errors.Join(err, to.Close())
}

func add(w io.Writer, name string) error {
	file, err := os.Open(name)
	if err != nil {
		return err
	}
	defer file.Close()
	_, err = io.Copy(w, file)
	return err
}

type tarFormat struct {
	*tar.Writer
	gzip *gzip.Writer // whose header has no name and no time
	at   time.Time
}

func newTar(w io.Writer, at time.Time) *tarFormat {
	compressed, err := gzip.NewWriterLevel(w, gzip.DefaultCompression)
	if err != nil {
		panic(err) // the level is valid
	}
	return &tarFormat{tar.NewWriter(compressed), compressed, at}
}

func (t *tarFormat) entry(name string, size int64, mode fs.FileMode) (io.Writer, error) {
	header := &tar.Header{
		Name: name, Size: size, Mode: int64(mode.Perm()), ModTime: t.at,
		Uname: "root", Gname: "root", Typeflag: tar.TypeReg, Format: tar.FormatUSTAR,
	}
	if mode.IsDir() {
		header.Typeflag = tar.TypeDir
	}
	return t.Writer, t.WriteHeader(header)
}

func (t *tarFormat) Close() error { return errors.Join(t.Writer.Close(), t.gzip.Close()) }

type zipFormat struct {
	*zip.Writer
	at time.Time
}

func newZip(w io.Writer, at time.Time) *zipFormat {
	z := zip.NewWriter(w)
	z.RegisterCompressor(zip.Deflate, func(w io.Writer) (io.WriteCloser, error) {
		return flate.NewWriter(w, flate.DefaultCompression)
	})
	return &zipFormat{z, at}
}

func (z *zipFormat) entry(name string, _ int64, mode fs.FileMode) (io.Writer, error) {
	header := &zip.FileHeader{Name: name, Modified: z.at, Method: zip.Deflate}
	if mode.IsDir() {
		header.Method = zip.Store
	}
	header.SetMode(mode)
	return z.CreateHeader(header)
}

package main

import "os"

// exeSuffix is that of the names of programs.
const exeSuffix = ".exe"

// terminate ends a server at once: Windows cannot send a signal to one process. What the
// server has measured is complete by then.
func terminate(p *os.Process) error { return p.Kill() }

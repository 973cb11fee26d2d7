// Command tessera appends entries to a Tessera POSIX log and tells how long it took until a published checkpoint
// covered all of them. Antispam (deduplication) is off. Prints one line of JSON.
package main

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"flag"
	"fmt"
	"log"
	"os"
	"syscall"
	"time"

	"github.com/transparency-dev/tessera"
	"github.com/transparency-dev/tessera/storage/posix"
	"golang.org/x/mod/sumdb/note"
)

func cpuSeconds() float64 {
	var used syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &used); err != nil {
		log.Fatal(err)
	}
	seconds := func(t syscall.Timeval) float64 { return float64(t.Sec) + float64(t.Usec)/1e6 }
	return seconds(used.Utime) + seconds(used.Stime)
}

func main() {
	folder := flag.String("folder", "", "an empty folder for the log")
	count := flag.Int("entries", 200000, "entries to append")
	size := flag.Int("bytes", 350, "bytes an entry")
	batch := flag.Uint("batch", 16384, "entries integrated at a time")
	flag.Parse()
	ctx := context.Background()

	private, _, err := note.GenerateKey(rand.Reader, "bench.example/tessera")
	if err != nil {
		log.Fatal(err)
	}
	signer, err := note.NewSigner(private)
	if err != nil {
		log.Fatal(err)
	}
	driver, err := posix.New(ctx, posix.Config{Path: *folder})
	if err != nil {
		log.Fatal(err)
	}
	options := tessera.NewAppendOptions().
		WithCheckpointSigner(signer).
		WithCheckpointInterval(100*time.Millisecond).
		WithBatching(*batch, 50*time.Millisecond).
		WithPushback(uint(*count) + 1)
	appender, shutdown, reader, err := tessera.NewAppender(ctx, driver, options)
	if err != nil {
		log.Fatal(err)
	}
	awaiter := tessera.NewPublicationAwaiter(ctx, reader.ReadCheckpoint, 10*time.Millisecond)

	started, cpu := time.Now(), cpuSeconds()
	futures := make([]tessera.IndexFuture, *count)
	for i := range *count {
		futures[i] = appender.Add(ctx, tessera.NewEntry([]byte(fmt.Sprintf("%0*d", *size, i))))
	}
	for _, future := range futures {
		if _, _, err := awaiter.Await(ctx, future); err != nil {
			log.Fatal(err)
		}
	}
	told := map[string]any{
		"entries": *count, "seconds": time.Since(started).Seconds(), "cpu_seconds": cpuSeconds() - cpu,
		"version": "tessera v1.0.4, POSIX, antispam off", "batch": *batch,
	}
	if err := shutdown(ctx); err != nil {
		log.Fatal(err)
	}
	if err := json.NewEncoder(os.Stdout).Encode(told); err != nil {
		log.Fatal(err)
	}
}

// Command immudb writes entries to immudb's embedded store, many a transaction, and tells how long it took until all
// were committed and synced to disk. Prints one line of JSON.
package main

import (
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"io"
	"log"
	"os"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/codenotary/immudb/embedded/logger"
	"github.com/codenotary/immudb/embedded/store"
)

func cpuSeconds() float64 {
	var used syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &used); err != nil {
		log.Fatal(err)
	}
	seconds := func(t syscall.Timeval) float64 { return float64(t.Sec) + float64(t.Usec)/1e6 }
	return seconds(used.Utime) + seconds(used.Stime)
}

func write(ctx context.Context, kept *store.ImmuStore, first, count, size int) error {
	transaction, err := kept.NewWriteOnlyTx(ctx)
	if err != nil {
		return err
	}
	for i := first; i < first+count; i++ {
		if err := transaction.Set([]byte(fmt.Sprintf("e%012d", i)), nil, []byte(fmt.Sprintf("%0*d", size, i))); err != nil {
			return err
		}
	}
	_, err = transaction.AsyncCommit(ctx)
	return err
}

func main() {
	folder := flag.String("folder", "", "an empty folder for the store")
	count := flag.Int("entries", 200000, "entries to append")
	size := flag.Int("bytes", 350, "bytes an entry")
	batch := flag.Int("batch", 1000, "entries a transaction")
	writers := flag.Int("writers", 8, "transactions at a time")
	flag.Parse()
	ctx := context.Background()

	options := store.DefaultOptions().WithSynced(true).WithLogger(logger.NewSimpleLoggerWithLevel("store", io.Discard, logger.LogError))
	kept, err := store.Open(*folder, options)
	if err != nil {
		log.Fatal(err)
	}
	started, cpu := time.Now(), cpuSeconds()
	var next atomic.Int64
	var all sync.WaitGroup
	for range *writers {
		all.Add(1)
		go func() {
			defer all.Done()
			for {
				first := int(next.Add(int64(*batch))) - *batch
				if first >= *count {
					return
				}
				if err := write(ctx, kept, first, min(*batch, *count-first), *size); err != nil {
					log.Fatal(err)
				}
			}
		}()
	}
	all.Wait()
	told := map[string]any{
		"entries": *count, "seconds": time.Since(started).Seconds(), "cpu_seconds": cpuSeconds() - cpu,
		"version": "immudb v1.9.5, embedded store, synced", "batch": *batch,
	}
	if err := kept.Close(); err != nil {
		log.Fatal(err)
	}
	if err := json.NewEncoder(os.Stdout).Encode(told); err != nil {
		log.Fatal(err)
	}
}

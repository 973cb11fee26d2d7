// Command witnessing brings witnesses and logs that nobody here wrote to the tests of ours.
//
//	witnessing witness STATE VKEY ADDRESS SKEY...  serves transparency-dev/witness for the log of VKEY, with its state in the
//	                                               file STATE; cosigns with each of the keys
//	witnessing log FOLDER SKEY POLICY N            adds N entries to a log of transparency-dev/tessera whose checkpoints are
//	                                               published only with the cosignatures of POLICY; prints the last one
//	witnessing policy POLICY                       exits 0 where tessera finds POLICY satisfied by the note on standard input
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"strconv"
	"time"

	f_note "github.com/transparency-dev/formats/note"
	"github.com/transparency-dev/tessera"
	"github.com/transparency-dev/tessera/storage/posix"
	"github.com/transparency-dev/witness/persistence/sqlite"
	"github.com/transparency-dev/witness/witness"
	"golang.org/x/mod/sumdb/note"
)

const (
	publishedWithin = 60 * time.Second
	askedEach       = 100 * time.Millisecond
	batch           = 256
	requestWithin   = 30 * time.Second
)

func main() {
	if len(os.Args) < 2 {
		usage()
	}
	arguments := os.Args[2:]
	var err error
	switch {
	case os.Args[1] == "witness" && len(arguments) >= 4:
		err = serveWitness(arguments[0], arguments[1], arguments[2], arguments[3:])
	case os.Args[1] == "log" && len(arguments) == 4:
		err = growLog(arguments[0], arguments[1], arguments[2], arguments[3])
	case os.Args[1] == "policy" && len(arguments) == 1:
		err = checkPolicy(arguments[0])
	default:
		usage()
	}
	if err != nil {
		fmt.Fprintf(os.Stderr, "%s: %v\n", os.Args[1], err)
		os.Exit(1)
	}
}

func usage() {
	fmt.Fprintln(os.Stderr, "usage: witnessing witness STATE VKEY ADDRESS SKEY... | log FOLDER SKEY POLICY N | policy POLICY")
	os.Exit(2)
}

func serveWitness(state, vkey, address string, skeys []string) error {
	log, err := note.NewVerifier(vkey)
	if err != nil {
		return err
	}
	var signers []note.Signer
	for _, skey := range skeys {
		signer, err := f_note.NewSignerForCosignatureV1(skey)
		if err != nil {
			return err
		}
		signers = append(signers, signer)
	}
	ctx := context.Background()
	persistence, closeState, err := sqlite.New(ctx, sqlite.Opts{Path: state, MaxOpenConns: 1})
	if err != nil {
		return err
	}
	defer closeState()
	served, err := witness.New(ctx, witness.Opts{
		Persistence: persistence,
		Signers:     signers,
		VerifierForLog: func(_ context.Context, origin string) (note.Verifier, bool, error) {
			return log, origin == log.Name(), nil
		},
	})
	if err != nil {
		return err
	}
	mux := http.NewServeMux()
	mux.HandleFunc("POST /add-checkpoint", witness.NewHTTPHandler(served).AddCheckpoint)
	server := http.Server{Addr: address, Handler: mux, ReadTimeout: requestWithin, WriteTimeout: requestWithin}
	return server.ListenAndServe()
}

func growLog(folder, skey, policyFile, number string) error {
	signer, err := note.NewSigner(skey)
	if err != nil {
		return err
	}
	policy, err := readPolicy(policyFile)
	if err != nil {
		return err
	}
	count, err := strconv.Atoi(number)
	if err != nil || count < 1 {
		return errors.New("N is a number of entries")
	}
	ctx, cancel := context.WithTimeout(context.Background(), publishedWithin)
	defer cancel()
	driver, err := posix.New(ctx, posix.Config{Path: folder})
	if err != nil {
		return err
	}
	options := tessera.NewAppendOptions().
		WithCheckpointSigner(signer).
		WithCheckpointInterval(askedEach).
		WithBatching(batch, askedEach).
		WithWitnesses(policy, nil)
	appender, shutdown, reader, err := tessera.NewAppender(ctx, driver, options)
	if err != nil {
		return err
	}
	awaiter := tessera.NewPublicationAwaiter(ctx, reader.ReadCheckpoint, askedEach)
	var added []tessera.IndexFuture
	for range count {
		added = append(added, appender.Add(ctx, tessera.NewEntry(fmt.Append(nil, time.Now().UnixNano()))))
	}
	// One checkpoint covers many; the last that is published covers all.
	var published []byte
	for _, future := range added {
		if _, published, err = awaiter.Await(ctx, future); err != nil {
			return err
		}
	}
	if err := shutdown(ctx); err != nil {
		return err
	}
	_, err = os.Stdout.Write(published)
	return err
}

func checkPolicy(policyFile string) error {
	policy, err := readPolicy(policyFile)
	if err != nil {
		return err
	}
	signed, err := io.ReadAll(os.Stdin)
	if err != nil {
		return err
	}
	if !policy.Satisfied(signed) {
		return errors.New("not satisfied")
	}
	fmt.Println("satisfied")
	return nil
}

func readPolicy(path string) (tessera.WitnessGroup, error) {
	data, err := os.ReadFile(path)
	if err != nil {
		return tessera.WitnessGroup{}, err
	}
	return tessera.NewWitnessGroupFromPolicy(data)
}

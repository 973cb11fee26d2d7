// Command cosignatures checks tests/golden/cosignatures.json with code that nobody here wrote: filippo.io/torchwood and
// golang.org/x/mod/sumdb/note. It prints how many vectors hold, and exits 1 at the first that does not.
package main

import (
	"crypto/ed25519"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"slices"
	"strconv"
	"strings"

	"filippo.io/torchwood"
	"golang.org/x/mod/sumdb/note"
)

type cosigned struct {
	Key  string
	Time int64
}

type vector struct {
	Name, Note, Policy, Log string
	Witnesses               []struct{ Seed, Vkey string }
	Cosigned                []cosigned
	Reached                 bool
	Time                    *int64
}

func main() {
	if len(os.Args) != 2 {
		fmt.Fprintln(os.Stderr, "usage: cosignatures <cosignatures.json>")
		os.Exit(2)
	}
	count, err := checkFile(os.Args[1])
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	fmt.Printf("%d vectors hold\n", count)
}

func checkFile(path string) (int, error) {
	data, err := os.ReadFile(path)
	if err != nil {
		return 0, err
	}
	var vectors []vector
	if err := json.Unmarshal(data, &vectors); err != nil {
		return 0, err
	}
	if len(vectors) == 0 {
		return 0, errors.New("no vectors")
	}
	for _, v := range vectors {
		if err := check(v); err != nil {
			return 0, fmt.Errorf("%s: %w", v.Name, err)
		}
	}
	return len(vectors), nil
}

func check(v vector) error {
	log, err := note.NewVerifier(v.Log)
	if err != nil {
		return err
	}
	verifiers := []note.Verifier{log}
	for _, w := range v.Witnesses {
		seed, err := hex.DecodeString(w.Seed)
		if err != nil || len(seed) != ed25519.SeedSize {
			return errors.New("a seed is 32 bytes in hex")
		}
		name, _, _ := strings.Cut(w.Vkey, "+")
		signer, err := torchwood.NewCosignatureSigner(name, ed25519.NewKeyFromSeed(seed))
		if err != nil {
			return err
		}
		if got := signer.Verifier().String(); got != w.Vkey {
			return fmt.Errorf("vkey: got %s, want %s", got, w.Vkey)
		}
		verifiers = append(verifiers, signer.Verifier())
	}
	opened, err := note.Open([]byte(v.Note), note.VerifierList(verifiers...))
	var invalid *note.InvalidSignatureError
	if errors.As(err, &invalid) {
		if v.Cosigned != nil {
			return err
		}
		return nil
	}
	if err != nil {
		return err
	}
	var found []cosigned
	for _, sig := range opened.Sigs {
		if sig.Name == log.Name() && sig.Hash == log.KeyHash() {
			continue
		}
		time, err := torchwood.CosignatureTimestamp(sig)
		if err != nil {
			return err
		}
		found = append(found, cosigned{fmt.Sprintf("%s+%08x", sig.Name, sig.Hash), time})
	}
	slices.SortFunc(found, func(a, b cosigned) int {
		if a.Time != b.Time {
			return int(min(1, max(-1, a.Time-b.Time)))
		}
		return strings.Compare(a.Key, b.Key)
	})
	if got, want := fmt.Sprint(found), fmt.Sprint(v.Cosigned); got != want {
		return fmt.Errorf("cosigned: got %s, want %s", got, want)
	}
	return checkQuorum(v, found)
}

// checkQuorum reads the policy's one group and its threshold, and counts.
func checkQuorum(v vector, found []cosigned) error {
	names := map[string]string{}
	var threshold int
	for _, line := range strings.Split(v.Policy, "\n") {
		words := strings.Fields(line)
		switch {
		case len(words) > 2 && words[0] == "witness":
			id := strings.SplitN(words[2], "+", 3)
			names[id[0]+"+"+id[1]] = words[1]
		case len(words) > 3 && words[0] == "group":
			k, err := strconv.Atoi(words[2])
			if err != nil {
				return err
			}
			threshold = k
		}
	}
	var reached *int64
	for n, c := range found {
		if names[c.Key] == "" {
			return fmt.Errorf("%s is no witness of the policy", c.Key)
		}
		if n+1 == threshold {
			reached = &found[n].Time
		}
	}
	if (reached != nil) != v.Reached || (reached != nil && *reached != *v.Time) {
		return fmt.Errorf("quorum of %d: %d cosigned, the vector says %v", threshold, len(found), v.Reached)
	}
	return nil
}

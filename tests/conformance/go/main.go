// Command conformance checks the golden vectors with code that nobody here wrote: golang.org/x/mod/sumdb/{note,tlog}
// and the standard library. It prints one line for each file and exits 1 at the first vector that does not hold.
// With -ed25519 it reads the C2SP Ed25519 vectors instead and prints the numbers of those that Go accepts.
package main

import (
	"bytes"
	"crypto/ed25519"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"golang.org/x/mod/sumdb/note"
	"golang.org/x/mod/sumdb/tlog"
)

// checks names each golden file and the function that checks one of its vectors.
var checks = []struct {
	file  string
	check func(json.RawMessage) error
}{
	{"keys.json", checkKey},
	{"notes.json", checkNote},
	{"checkpoints.json", checkCheckpoint},
	{"headers.json", checkHeader},
	{"entries.json", checkEntry},
	{"receipts.json", checkReceipt},
	{"topic-values.json", checkTopicValue},
	{"bundles.json", checkBundle},
	{"merkle.json", checkMerkle},
	{"generations.json", checkGeneration},
}

func main() {
	if len(os.Args) == 3 && os.Args[1] == "-ed25519" {
		if err := printAccepted(os.Args[2]); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		return
	}
	if len(os.Args) != 2 {
		fmt.Fprintln(os.Stderr, "usage: conformance <golden folder> | conformance -ed25519 <vectors>")
		os.Exit(2)
	}
	for _, c := range checks {
		count, err := checkFile(filepath.Join(os.Args[1], c.file), c.check)
		if err != nil {
			fmt.Fprintf(os.Stderr, "%s: %v\n", c.file, err)
			os.Exit(1)
		}
		fmt.Printf("%s: %d vectors hold\n", c.file, count)
	}
}

func checkFile(path string, check func(json.RawMessage) error) (int, error) {
	data, err := os.ReadFile(path)
	if err != nil {
		return 0, err
	}
	var vectors []json.RawMessage
	if err := json.Unmarshal(data, &vectors); err != nil {
		return 0, err
	}
	if len(vectors) == 0 {
		return 0, errors.New("no vectors")
	}
	for i, v := range vectors {
		if err := check(v); err != nil {
			return 0, fmt.Errorf("vector %d: %w", i, err)
		}
	}
	return len(vectors), nil
}

func equal(what string, got, want any) error {
	if g, w := fmt.Sprint(got), fmt.Sprint(want); g != w {
		return fmt.Errorf("%s: got %s, want %s", what, g, w)
	}
	return nil
}

func checkKey(raw json.RawMessage) error {
	var v struct{ Name, Seed, Skey, Vkey, ID string }
	if err := json.Unmarshal(raw, &v); err != nil {
		return err
	}
	signer, err := note.NewSigner(v.Skey)
	if err != nil {
		return err
	}
	verifier, err := note.NewVerifier(v.Vkey)
	if err != nil {
		return err
	}
	seed, err := hex.DecodeString(v.Seed)
	if err != nil || len(seed) != ed25519.SeedSize {
		return errors.New("a seed is 32 bytes in hex")
	}
	public := ed25519.NewKeyFromSeed(seed).Public().(ed25519.PublicKey)
	made, err := note.NewEd25519VerifierKey(v.Name, public)
	if err != nil {
		return err
	}
	id := fmt.Sprintf("%s+%08x", verifier.Name(), verifier.KeyHash())
	return errors.Join(
		equal("vkey", v.Vkey, made),
		equal("id", v.ID, id),
		equal("signer's name", signer.Name(), v.Name),
		equal("signer's key hash", signer.KeyHash(), verifier.KeyHash()),
	)
}

func openNote(signed string, vkeys ...string) (*note.Note, error) {
	var verifiers []note.Verifier
	for _, vkey := range vkeys {
		verifier, err := note.NewVerifier(vkey)
		if err != nil {
			return nil, err
		}
		verifiers = append(verifiers, verifier)
	}
	return note.Open([]byte(signed), note.VerifierList(verifiers...))
}

func checkNote(raw json.RawMessage) error {
	var v struct {
		Text, Note string
		Vkeys      []string
	}
	if err := json.Unmarshal(raw, &v); err != nil {
		return err
	}
	opened, err := openNote(v.Note, v.Vkeys...)
	if err != nil {
		return err
	}
	return errors.Join(equal("text", opened.Text, v.Text), equal("signatures", len(opened.Sigs), len(v.Vkeys)))
}

// checkpoint is the text of a note as C2SP tlog-checkpoint has it.
type checkpoint struct {
	origin string
	size   int64
	root   tlog.Hash
}

func parseCheckpoint(text string) (checkpoint, error) {
	lines := strings.Split(text, "\n")
	if len(lines) != 4 || lines[3] != "" {
		return checkpoint{}, errors.New("a checkpoint has three lines")
	}
	size, err := strconv.ParseInt(lines[1], 10, 64)
	if err != nil {
		return checkpoint{}, err
	}
	root, err := tlog.ParseHash(lines[2])
	return checkpoint{lines[0], size, root}, err
}

func checkCheckpoint(raw json.RawMessage) error {
	var v struct {
		Origin, Root, Text, Note, Vkey string
		Size                           int64
	}
	if err := json.Unmarshal(raw, &v); err != nil {
		return err
	}
	opened, err := openNote(v.Note, v.Vkey)
	if err != nil {
		return err
	}
	c, err := parseCheckpoint(opened.Text)
	if err != nil {
		return err
	}
	return errors.Join(
		equal("text", opened.Text, v.Text),
		equal("origin", c.origin, v.Origin),
		equal("size", c.size, v.Size),
		equal("root", hex.EncodeToString(c.root[:]), v.Root),
	)
}

// header holds a block header; encoding/json writes a struct's fields in this order, which is the sorted one.
type header struct {
	Count  int64  `json:"count"`
	From   int64  `json:"from"`
	Gen    int64  `json:"gen"`
	Hash   string `json:"hash"`
	Height int64  `json:"height"`
	Origin string `json:"origin"`
	Prev   string `json:"prev"`
	Root   string `json:"root"`
	Shard  int64  `json:"shard"`
	Start  int64  `json:"start"`
	Time   string `json:"time"`
	V      int64  `json:"v"`
}

type entry struct {
	Header    string `json:"header"`
	Key       string `json:"key"`
	Signature string `json:"signature"`
}

func canonical(value any) string {
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	if err := e.Encode(value); err != nil {
		return err.Error()
	}
	return strings.TrimSuffix(b.String(), "\n")
}

func strictly(data string, value any) error {
	d := json.NewDecoder(strings.NewReader(data))
	d.DisallowUnknownFields()
	if err := d.Decode(value); err != nil {
		return err
	}
	return equal("canonical form", data, canonical(value))
}

func checkHeader(raw json.RawMessage) error {
	var v struct {
		Bytes  string
		Fields header
	}
	if err := json.Unmarshal(raw, &v); err != nil {
		return err
	}
	v.Fields.Hash, v.Fields.V = "sha-256", 1
	return equal("bytes", canonical(v.Fields), v.Bytes)
}

// publicKey takes a vkey apart; its second and third parts are the key hash and 0x01 before the key.
func publicKey(vkey string) (id string, key ed25519.PublicKey, err error) {
	parts := strings.SplitN(vkey, "+", 3)
	if len(parts) != 3 {
		return "", nil, errors.New("a vkey has three parts")
	}
	data, err := base64.StdEncoding.DecodeString(parts[2])
	if err != nil || len(data) != 33 || data[0] != 1 {
		return "", nil, errors.New("not an Ed25519 vkey")
	}
	return parts[0] + "+" + parts[1], data[1:], nil
}

func checkSignature(vkey, keyID, signed, signature string) error {
	id, key, err := publicKey(vkey)
	if err != nil {
		return err
	}
	sig, err := base64.StdEncoding.DecodeString(signature)
	if err != nil {
		return err
	}
	if !ed25519.Verify(key, []byte(signed), sig) {
		return errors.New("the signature does not hold")
	}
	return equal("key", keyID, id)
}

func checkEntry(raw json.RawMessage) error {
	var v struct {
		Index         int
		Entry, Header string
		Vkey          string
		EntryHash     string `json:"entry_hash"`
		LeafHash      string `json:"leaf_hash"`
	}
	if err := json.Unmarshal(raw, &v); err != nil {
		return err
	}
	var e entry
	if err := strictly(v.Entry, &e); err != nil {
		return err
	}
	if v.Index > 0 {
		var h header
		if err := strictly(e.Header, &h); err != nil {
			return err
		}
	}
	sum := sha256.Sum256([]byte(v.Entry))
	leaf := tlog.RecordHash([]byte(v.Entry))
	return errors.Join(
		equal("header", e.Header, v.Header),
		equal("entry hash", hex.EncodeToString(sum[:]), v.EntryHash),
		equal("leaf hash", hex.EncodeToString(leaf[:]), v.LeafHash),
		checkSignature(v.Vkey, e.Key, e.Header, e.Signature),
	)
}

func checkReceipt(raw json.RawMessage) error {
	var v struct{ Signed, Receipt, Vkey string }
	if err := json.Unmarshal(raw, &v); err != nil {
		return err
	}
	var r struct {
		By        string `json:"by"`
		Digest    string `json:"digest"`
		ID        string `json:"id"`
		Key       string `json:"key"`
		Origin    string `json:"origin"`
		S         string `json:"s"`
		Signature string `json:"signature,omitempty"`
		Source    string `json:"source"`
		V         int64  `json:"v"`
	}
	if err := strictly(v.Receipt, &r); err != nil {
		return err
	}
	signature := r.Signature
	r.Signature = ""
	return errors.Join(
		equal("signed bytes", canonical(r), v.Signed),
		checkSignature(v.Vkey, r.Key, v.Signed, signature),
	)
}

func checkTopicValue(raw json.RawMessage) error {
	var v struct{ Topic, Value string }
	if err := json.Unmarshal(raw, &v); err != nil {
		return err
	}
	if v.Topic == "ledger.checkpoints" {
		var c struct {
			Genesis []byte  `json:"genesis,omitempty"`
			Heights []int64 `json:"heights"`
			Note    string  `json:"note"`
		}
		return strictly(v.Value, &c)
	}
	var b struct {
		Entry  []byte `json:"entry"`
		Leaves []byte `json:"leaves"`
	}
	if err := strictly(v.Value, &b); err != nil {
		return err
	}
	var e entry
	var h header
	if err := errors.Join(strictly(string(b.Entry), &e), strictly(e.Header, &h)); err != nil {
		return err
	}
	root, err := rootOf(b.Leaves)
	if err != nil {
		return err
	}
	return errors.Join(
		equal("count", len(b.Leaves)/tlog.HashSize, h.Count),
		equal("root", hex.EncodeToString(root[:]), h.Root),
	)
}

// checkGeneration reads the entry that begins a generation, the record that first covers it and the proof that the log only grew.
func checkGeneration(raw json.RawMessage) error {
	var v struct {
		Kind, Header, Entry, Vkey, Value string
		LeafHash                         string `json:"leaf_hash"`
		OldSize                          int64  `json:"old_size"`
		OldRoot                          string `json:"old_root"`
		Size                             int64
		Root                             string
		Path                             []string
	}
	if err := json.Unmarshal(raw, &v); err != nil {
		return err
	}
	var e entry
	switch v.Kind {
	case "generation":
		var h struct {
			Gen        int64   `json:"gen"`
			Generation bool    `json:"generation"`
			Hash       string  `json:"hash"`
			Heights    []int64 `json:"heights"`
			Origin     string  `json:"origin"`
			Root       string  `json:"root"`
			Size       int64   `json:"size"`
			Time       string  `json:"time"`
			V          int64   `json:"v"`
		}
		if err := errors.Join(strictly(v.Entry, &e), strictly(v.Header, &h)); err != nil {
			return err
		}
		leaf := tlog.RecordHash([]byte(v.Entry))
		return errors.Join(
			equal("header", e.Header, v.Header),
			equal("leaf hash", hex.EncodeToString(leaf[:]), v.LeafHash),
			checkSignature(v.Vkey, e.Key, e.Header, e.Signature),
		)
	case "block":
		var h header
		if err := strictly(v.Entry, &e); err != nil {
			return err
		}
		if err := strictly(e.Header, &h); err != nil {
			return err
		}
		return errors.Join(
			equal("generation", h.Gen, 1),
			checkSignature(v.Vkey, e.Key, e.Header, e.Signature),
		)
	case "record":
		var c struct {
			Generation []byte  `json:"generation"`
			Heights    []int64 `json:"heights"`
			Note       string  `json:"note"`
		}
		if err := strictly(v.Value, &c); err != nil {
			return err
		}
		return strictly(string(c.Generation), &e)
	case "consistency":
		path, err := hashesFromHex(v.Path...)
		if err != nil {
			return err
		}
		roots, err := hashesFromHex(v.OldRoot, v.Root)
		if err != nil {
			return err
		}
		return tlog.CheckTree(path, v.Size, roots[1], v.OldSize, roots[0])
	}
	return fmt.Errorf("kind %q is not known", v.Kind)
}

func hashesFromHex(lines ...string) ([]tlog.Hash, error) {
	hashes := make([]tlog.Hash, len(lines))
	for i, line := range lines {
		data, err := hex.DecodeString(line)
		if err != nil || len(data) != tlog.HashSize {
			return nil, fmt.Errorf("%q is no hash", line)
		}
		hashes[i] = tlog.Hash(data)
	}
	return hashes, nil
}

// tree stores the hashes of a growing tree as tlog numbers them.
type tree []tlog.Hash

func (t tree) ReadHashes(indexes []int64) ([]tlog.Hash, error) {
	hashes := make([]tlog.Hash, len(indexes))
	for i, index := range indexes {
		hashes[i] = t[index]
	}
	return hashes, nil
}

func (t *tree) add(n int64, leaf tlog.Hash) error {
	hashes, err := tlog.StoredHashesForRecordHash(n, leaf, t)
	*t = append(*t, hashes...)
	return err
}

func rootOf(leaves []byte) (tlog.Hash, error) {
	var t tree
	n := int64(len(leaves) / tlog.HashSize)
	for i := range n {
		if err := t.add(i, tlog.Hash(leaves[i*tlog.HashSize:(i+1)*tlog.HashSize])); err != nil {
			return tlog.Hash{}, err
		}
	}
	return tlog.TreeHash(n, t)
}

func hashesOf(lines []string) ([]tlog.Hash, error) {
	hashes := make([]tlog.Hash, 0, len(lines))
	for _, line := range lines {
		hash, err := tlog.ParseHash(line)
		if err != nil {
			return nil, err
		}
		hashes = append(hashes, hash)
	}
	return hashes, nil
}

func checkMerkle(raw json.RawMessage) error {
	var v struct {
		Size      int64
		Root      string
		Inclusion []struct {
			Index int64
			Path  []string
		}
		Consistency []struct {
			OldSize int64 `json:"old_size"`
			Path    []string
		}
	}
	if err := json.Unmarshal(raw, &v); err != nil {
		return err
	}
	var t tree
	for i := range v.Size {
		if err := t.add(i, tlog.RecordHash([]byte{byte(i)})); err != nil {
			return err
		}
	}
	root, err := tlog.TreeHash(v.Size, t)
	if err != nil {
		return err
	}
	if err := equal("root", root, v.Root); err != nil {
		return err
	}
	for _, p := range v.Inclusion {
		path, err := hashesOf(p.Path)
		if err != nil {
			return err
		}
		leaf := tlog.RecordHash([]byte{byte(p.Index)})
		if err := tlog.CheckRecord(path, v.Size, root, p.Index, leaf); err != nil {
			return fmt.Errorf("inclusion of %d: %w", p.Index, err)
		}
	}
	for _, p := range v.Consistency {
		path, err := hashesOf(p.Path)
		if err != nil {
			return err
		}
		old, err := tlog.TreeHash(p.OldSize, t)
		if err != nil {
			return err
		}
		if err := tlog.CheckTree(path, v.Size, root, p.OldSize, old); err != nil {
			return fmt.Errorf("consistency with %d: %w", p.OldSize, err)
		}
	}
	return nil
}

// bundle is a proof bundle; verify takes the steps of our documentation with tlog and note.
type bundle struct {
	Block struct {
		Entry []byte   `json:"entry"`
		Index int64    `json:"index"`
		Path  []string `json:"path"`
	} `json:"block"`
	Event []byte `json:"event"`
	Log   string `json:"log"`
	V     int    `json:"v"`
}

func (b *bundle) verify(logKey, sealerKey string) error {
	var e entry
	var h header
	if err := errors.Join(strictly(string(b.Block.Entry), &e), strictly(e.Header, &h)); err != nil {
		return err
	}
	root, err := hex.DecodeString(h.Root)
	if err != nil {
		return err
	}
	path, err := hashesOf(b.Block.Path)
	if err != nil {
		return err
	}
	if b.Block.Index >= h.Count {
		return errors.New("event position")
	}
	if err := tlog.CheckRecord(path, h.Count, tlog.Hash(root), b.Block.Index, tlog.RecordHash(b.Event)); err != nil {
		return fmt.Errorf("event in block: %w", err)
	}
	head, signed, found := strings.Cut(b.Log, "\n\n")
	lines := strings.Split(head, "\n")
	if !found || len(lines) < 2 || lines[0] != "c2sp.org/tlog-proof@v1" {
		return errors.New("not a tlog-proof")
	}
	index, err := strconv.ParseInt(strings.TrimPrefix(lines[1], "index "), 10, 64)
	if err != nil {
		return err
	}
	logPath, err := hashesOf(lines[2:])
	if err != nil {
		return err
	}
	opened, err := openNote(signed, logKey)
	if err != nil {
		return fmt.Errorf("checkpoint signature: %w", err)
	}
	c, err := parseCheckpoint(opened.Text)
	if err != nil {
		return err
	}
	if err := tlog.CheckRecord(logPath, c.size, c.root, index, tlog.RecordHash(b.Block.Entry)); err != nil {
		return fmt.Errorf("entry in log: %w", err)
	}
	name, _, _ := strings.Cut(logKey, "+")
	return errors.Join(
		equal("origin of the checkpoint", c.origin, name),
		equal("origin of the header", h.Origin, name),
		checkSignature(sealerKey, e.Key, e.Header, e.Signature),
	)
}

func checkBundle(raw json.RawMessage) error {
	var v struct {
		Name, Bundle, Vkey string
		SealerVkey         string `json:"sealer_vkey"`
		OK                 bool
	}
	if err := json.Unmarshal(raw, &v); err != nil {
		return err
	}
	var b bundle
	if err := strictly(v.Bundle, &b); err != nil {
		return fmt.Errorf("%s: %w", v.Name, err)
	}
	err := b.verify(v.Vkey, v.SealerVkey)
	if v.OK != (err == nil) {
		return fmt.Errorf("%s: want ok %t, got %v", v.Name, v.OK, err)
	}
	return nil
}

func printAccepted(path string) error {
	data, err := os.ReadFile(path)
	if err != nil {
		return err
	}
	var vectors []struct {
		Number        int
		Key, Sig, Msg string
	}
	if err := json.Unmarshal(data, &vectors); err != nil {
		return err
	}
	for _, v := range vectors {
		key, keyErr := hex.DecodeString(v.Key)
		sig, sigErr := hex.DecodeString(v.Sig)
		if err := errors.Join(keyErr, sigErr); err != nil {
			return err
		}
		if ed25519.Verify(key, []byte(v.Msg), sig) {
			fmt.Println(v.Number)
		}
	}
	return nil
}

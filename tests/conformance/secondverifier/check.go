package main

import (
	"bytes"
	"crypto/ed25519"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"
	"unicode"

	"filippo.io/mldsa"
	"golang.org/x/mod/sumdb/note"
	"golang.org/x/mod/sumdb/tlog"
)

// The five words.
const (
	matches       = "matches"
	differs       = "differs"
	notRecognised = "signer not recognised"
	notCheckable  = "not checkable"
	notYet        = "not yet"
)

var stepNames = []string{
	"event position", "event in block", "entry in log", "origin", "checkpoint signature", "sealer signature", "witnesses",
}

// The signature types of C2SP signed-note.
const (
	ed25519Key    = 1
	cosignerKey   = 4
	mlDsaCosigner = 6

	mldsaPublicSize = 1312
)

// publicSizes has the bytes of a public key of each type.
var publicSizes = map[byte]int{
	ed25519Key: ed25519.PublicKeySize, cosignerKey: ed25519.PublicKeySize, mlDsaCosigner: mldsaPublicSize,
}

// key is a public key of a log, a sealer or a witness; it is a note.Verifier.
type key struct {
	name   string
	hash   uint32
	kind   byte
	public []byte
}

func (k *key) Name() string    { return k.name }
func (k *key) KeyHash() uint32 { return k.hash }
func (k *key) id() string      { return fmt.Sprintf("%s+%08x", k.name, k.hash) }

func (k *key) equal(other *key) bool {
	return k.id() == other.id() && k.kind == other.kind && bytes.Equal(k.public, other.public)
}

func (k *key) Verify(message, signature []byte) bool {
	if k.kind == ed25519Key {
		return len(signature) == ed25519.SignatureSize && ed25519.Verify(k.public, message, signature)
	}
	if len(signature) < 8 {
		return false
	}
	when := binary.BigEndian.Uint64(signature)
	if when > math.MaxInt64 {
		return false
	}
	if k.kind == mlDsaCosigner {
		return k.verifyMlDsa(message, when, signature[8:])
	}
	if len(signature) != 8+ed25519.SignatureSize {
		return false
	}
	signed := append([]byte(fmt.Sprintf("cosignature/v1\ntime %d\n", when)), message...)
	return ed25519.Verify(k.public, signed, signature[8:])
}

// verifyMlDsa checks the cosigned_message of C2SP tlog-cosignature, for the whole tree of the checkpoint.
func (k *key) verifyMlDsa(message []byte, when uint64, signature []byte) bool {
	lines := strings.SplitN(string(message), "\n", 4)
	if len(lines) < 4 {
		return false
	}
	size, err := parseDecimal(lines[1])
	root, rootErr := unbase64(lines[2], tlog.HashSize)
	if err != nil || rootErr != nil || !isLine(lines[0]) || len(k.name) > 255 || len(lines[0]) > 255 {
		return false
	}
	signed := append([]byte("subtree/v1\n\x00"), byte(len(k.name)))
	signed = append(signed, k.name...)
	signed = binary.BigEndian.AppendUint64(signed, when)
	signed = append(append(signed, byte(len(lines[0]))), lines[0]...)
	signed = binary.BigEndian.AppendUint64(signed, 0)
	signed = binary.BigEndian.AppendUint64(signed, uint64(size))
	public, err := mldsa.NewPublicKey(mldsa.MLDSA44(), k.public)
	return err == nil && mldsa.Verify(public, append(signed, root...), signature, nil) == nil
}

func isName(name string) bool {
	return name != "" && !strings.ContainsRune(name, '+') &&
		strings.IndexFunc(name, func(r rune) bool { return r < ' ' || unicode.IsSpace(r) }) < 0
}

// parseKey reads a vkey of one of the types given.
func parseKey(vkey string, kinds ...byte) (*key, error) {
	parts := strings.SplitN(vkey, "+", 3)
	if len(parts) != 3 || !isName(parts[0]) {
		return nil, errors.New("not a vkey")
	}
	data, err := base64.StdEncoding.Strict().DecodeString(parts[2])
	if err != nil || len(data) < 1 || !slices.Contains(kinds, data[0]) || len(data) != 1+publicSizes[data[0]] {
		return nil, errors.New("not a vkey of this type")
	}
	if base64.StdEncoding.EncodeToString(data) != parts[2] {
		return nil, errors.New("the vkey has another spelling")
	}
	sum := sha256.Sum256(append([]byte(parts[0]+"\n"), data...))
	if hex.EncodeToString(sum[:4]) != parts[1] {
		return nil, errors.New("the vkey's hash does not fit")
	}
	return &key{parts[0], binary.BigEndian.Uint32(sum[:4]), data[0], data[1:]}, nil
}

// policy is a C2SP tlog-policy; needs counts for each group and witness how it is reached.
type policy struct {
	logs      []*key
	witnesses map[string]*key
	groups    []group
	quorum    string
}

type group struct {
	name      string
	threshold int
	members   []string
}

func parsePolicy(file string) (*policy, error) {
	p := &policy{witnesses: map[string]*key{}}
	for number, line := range strings.Split(file, "\n") {
		words := strings.Fields(line)
		if len(words) == 0 || strings.HasPrefix(words[0], "#") {
			continue
		}
		if err := p.take(words); err != nil {
			return nil, fmt.Errorf("policy line %d: %w", number+1, err)
		}
	}
	if p.quorum == "" {
		return nil, errors.New("policy: no quorum")
	}
	return p, nil
}

func (p *policy) take(words []string) error {
	switch {
	case words[0] == "log" && len(words) >= 2:
		k, err := parseKey(words[1], ed25519Key)
		p.logs = append(p.logs, k)
		return err
	case words[0] == "witness" && len(words) >= 3:
		k, err := parseKey(words[2], cosignerKey, mlDsaCosigner)
		p.witnesses[words[1]] = k
		return err
	case words[0] == "group" && len(words) >= 4:
		members := words[3:]
		threshold, err := strconv.Atoi(words[2])
		switch words[2] {
		case "all":
			threshold, err = len(members), nil
		case "any":
			threshold, err = 1, nil
		}
		p.groups = append(p.groups, group{words[1], threshold, members})
		return err
	case words[0] == "quorum" && len(words) == 2:
		p.quorum = words[1]
		return nil
	}
	return errors.New("not a line of a policy")
}

// lists tells whether the policy leaves the log open, or lists one of its keys.
func (p *policy) lists(log []*key) bool {
	for _, k := range p.logs {
		if slices.ContainsFunc(log, k.equal) {
			return true
		}
	}
	return len(p.logs) == 0 && len(log) > 0
}

func (p *policy) judge(signed string) string {
	var known []note.Verifier
	for _, k := range p.witnesses {
		known = append(known, k)
	}
	var cosigned []note.Signature
	opened, err := note.Open([]byte(signed), note.VerifierList(known...))
	var unverified *note.UnverifiedNoteError
	if err == nil {
		cosigned = opened.Sigs
	} else if !errors.As(err, &unverified) {
		return differs
	}
	reached := map[string]bool{"none": true}
	for name, k := range p.witnesses {
		for _, s := range cosigned {
			reached[name] = reached[name] || (s.Name == k.name && s.Hash == k.hash)
		}
	}
	for _, g := range p.groups {
		count := 0
		for _, member := range g.members {
			if reached[member] {
				count++
			}
		}
		reached[g.name] = count >= g.threshold
	}
	if reached[p.quorum] {
		return matches
	}
	return notYet
}

// verifier is what the reader trusts; sealer, policy and keys may be nil.
type verifier struct {
	log, sealer *key
	policy      *policy
	keys        *keySet
}

// logKeys are the log's keys that may sign a checkpoint of this size.
func (v *verifier) logKeys(size int64) []*key {
	if v.keys == nil {
		return []*key{v.log}
	}
	return v.keys.logKeys(size)
}

// sealers are the keys that may sign the block at this place of the log.
func (v *verifier) sealers(index int64) []*key {
	var sealers []*key
	if v.sealer != nil {
		sealers = append(sealers, v.sealer)
	}
	if v.keys != nil {
		sealers = append(sealers, v.keys.at("sealer", index)...)
	}
	return sealers
}

// check takes the seven steps, each whatever the others found.
func (v *verifier) check(b *bundle) (results []string, ok bool) {
	results = []string{
		word(b.index < b.header.count),
		included(b.path, b.header.count, b.header.root, b.index, b.event),
		included(b.log.path, b.log.checkpoint.size, b.log.checkpoint.root, b.log.index, b.entry),
		word(b.header.origin == v.log.name && b.log.checkpoint.origin == v.log.name),
		v.checkpointSignature(b.log),
		v.sealerSignature(b.sealed, b.log.index),
		v.witnesses(b.log),
	}
	ok = true
	for i, result := range results {
		needed := i < 5 || (i == 5 && (v.sealer != nil || v.keys != nil)) || (i == 6 && v.policy != nil)
		ok = ok && (result == matches || !needed)
	}
	return results, ok
}

func word(holds bool) string {
	if holds {
		return matches
	}
	return differs
}

func included(path []tlog.Hash, size int64, root tlog.Hash, index int64, record []byte) string {
	if index >= size {
		return differs
	}
	return word(tlog.CheckRecord(path, size, root, index, tlog.RecordHash(record)) == nil)
}

func (v *verifier) checkpointSignature(p logProof) string {
	_, err := note.Open([]byte(p.note), list(v.logKeys(p.checkpoint.size)))
	var unverified *note.UnverifiedNoteError
	if errors.As(err, &unverified) {
		return notRecognised
	}
	return word(err == nil)
}

func (v *verifier) sealerSignature(e entry, index int64) string {
	if v.sealer == nil && v.keys == nil {
		return notCheckable
	}
	for _, sealer := range v.sealers(index) {
		if e.key == sealer.id() {
			return word(sealer.Verify([]byte(e.header), e.signature))
		}
	}
	return notRecognised
}

func (v *verifier) witnesses(p logProof) string {
	if v.policy == nil {
		return notCheckable
	}
	if !v.policy.lists(v.logKeys(p.checkpoint.size)) {
		return notRecognised
	}
	return v.policy.judge(p.note)
}

func list(keys []*key) note.Verifiers {
	verifiers := make([]note.Verifier, len(keys))
	for i, k := range keys {
		verifiers[i] = k
	}
	return note.VerifierList(verifiers...)
}

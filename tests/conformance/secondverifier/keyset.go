package main

import (
	"errors"
	"slices"
	"strings"
	"unicode/utf8"

	"golang.org/x/mod/sumdb/note"
)

const (
	keySetTitle = "balance-chain keys"
	maxKeys     = 1000
	stillHolds  = int64(-1)
)

// heldKey is a line of a key set: a key and the log sizes between which it holds.
type heldKey struct {
	key         *key
	from, until int64
}

// keySet is every key that a log has had, as it stood at a size.
type keySet struct {
	origin  string
	size    int64
	heights []int64
	keys    []heldKey
}

// parseKeySets reads key sets, one signed note after another, from the first on that the known key has signed. Each
// later one must follow the one before, signed by a key of the log that held in it and by each that it adds.
func parseKeySets(data string, known *key) (*keySet, error) {
	if !utf8.ValidString(data) {
		return nil, errors.New("keys: not UTF-8")
	}
	parts := strings.Split(strings.TrimSuffix(data, "\n"), "\n\n")
	if len(parts)%2 != 0 {
		return nil, errors.New("keys: not notes")
	}
	var found *keySet
	for i := 0; i < len(parts); i += 2 {
		signed := parts[i] + "\n\n" + parts[i+1] + "\n"
		text, err := noteText(signed)
		if err != nil {
			return nil, err
		}
		if found != nil {
			if found, err = found.next(signed, text); err != nil {
				return nil, err
			}
			continue
		}
		_, err = note.Open([]byte(signed), note.VerifierList(known))
		var unverified *note.UnverifiedNoteError
		if errors.As(err, &unverified) {
			continue
		}
		if err != nil {
			return nil, err
		}
		if found, err = parseKeySet(text); err != nil {
			return nil, err
		}
	}
	if found == nil || found.origin != known.name {
		return nil, errors.New("keys: no set of this log that the known key has signed")
	}
	return found, nil
}

func parseKeySet(text string) (*keySet, error) {
	lines := strings.Split(strings.TrimSuffix(text, "\n"), "\n")
	if !strings.HasSuffix(text, "\n") || len(lines) < 5 || len(lines) > 4+maxKeys || lines[0] != keySetTitle ||
		!isLine(lines[1]) {
		return nil, errors.New("keys: not a key set")
	}
	size, err := parseDecimal(lines[2])
	if err != nil {
		return nil, err
	}
	set := &keySet{origin: lines[1], size: size}
	for _, part := range strings.Split(lines[3], " ") {
		height := int64(-1)
		if part != "-1" {
			if height, err = parseDecimal(part); err != nil {
				return nil, err
			}
		}
		set.heights = append(set.heights, height)
	}
	ids := map[string]bool{}
	for _, line := range lines[4:] {
		held, err := parseHeldKey(line)
		if err != nil {
			return nil, err
		}
		if ids[held.key.id()] {
			return nil, errors.New("keys: a key is there twice")
		}
		ids[held.key.id()] = true
		set.keys = append(set.keys, held)
	}
	return set, nil
}

func parseHeldKey(line string) (heldKey, error) {
	parts := strings.Split(line, " ")
	if len(parts) != 3 {
		return heldKey{}, errors.New("keys: a line has three parts")
	}
	from, err := parseDecimal(parts[0])
	if err != nil {
		return heldKey{}, err
	}
	until := stillHolds
	if parts[1] != "-" {
		if until, err = parseDecimal(parts[1]); err != nil {
			return heldKey{}, err
		}
		if until < from {
			return heldKey{}, errors.New("keys: a key ends before it begins")
		}
	}
	k, err := parseKey(parts[2], ed25519Key)
	return heldKey{k, from, until}, err
}

func (s *keySet) role(k *key) string {
	if k.name == s.origin {
		return "log"
	}
	return strings.TrimPrefix(k.name, s.origin+"/")
}

// at gives the keys of a role that hold for the log's entry of this index.
func (s *keySet) at(role string, index int64) []*key {
	var found []*key
	for _, h := range s.keys {
		if s.role(h.key) == role && h.from <= index && (h.until == stillHolds || index < h.until) {
			found = append(found, h.key)
		}
	}
	return found
}

// logKeys gives the log's keys that may sign its checkpoint of this size.
func (s *keySet) logKeys(size int64) []*key {
	var found []*key
	for _, h := range s.keys {
		if s.role(h.key) == "log" && h.from <= size && (h.until == stillHolds || size <= h.until) {
			found = append(found, h.key)
		}
	}
	return found
}

func (s *keySet) openLogKeys() []*key {
	var found []*key
	for _, h := range s.keys {
		if s.role(h.key) == "log" && h.until == stillHolds {
			found = append(found, h.key)
		}
	}
	return found
}

// next reads the set that follows s.
func (s *keySet) next(signed, text string) (*keySet, error) {
	after, err := parseKeySet(text)
	if err != nil {
		return nil, err
	}
	if err := s.checkNext(after); err != nil {
		return nil, err
	}
	may := s.openLogKeys()
	var added []*key
	for _, k := range after.openLogKeys() {
		if !slices.ContainsFunc(may, k.equal) {
			added = append(added, k)
		}
	}
	opened, err := note.Open([]byte(signed), list(slices.Concat(may, added)))
	if err != nil {
		return nil, err
	}
	has := func(k *key) bool {
		return slices.ContainsFunc(opened.Sigs, func(s note.Signature) bool { return s.Name == k.name && s.Hash == k.hash })
	}
	if !slices.ContainsFunc(may, has) {
		return nil, errors.New("keys: no key of the set before has signed")
	}
	for _, k := range added {
		if !has(k) {
			return nil, errors.New("keys: a key that is added has not signed")
		}
	}
	return after, nil
}

// checkNext: it only adds keys and ends keys, at its own size; the past stays as it was.
func (s *keySet) checkNext(after *keySet) error {
	if s.origin != after.origin || len(s.heights) != len(after.heights) || after.size < s.size {
		return errors.New("keys: of another log, or of before")
	}
	if after.size == s.size && !slices.Equal(after.heights, s.heights) {
		return errors.New("keys: other heights at the same size")
	}
	for i, height := range after.heights {
		if height < s.heights[i] {
			return errors.New("keys: a shard shrinks")
		}
	}
	if len(after.keys) < len(s.keys) {
		return errors.New("keys: a line is gone")
	}
	changed := len(after.keys) > len(s.keys)
	for i, old := range s.keys {
		now := after.keys[i]
		if !now.key.equal(old.key) || now.from != old.from {
			return errors.New("keys: a line is another")
		}
		if now.until != old.until {
			if old.until != stillHolds || now.until != after.size {
				return errors.New("keys: a key ends elsewhere")
			}
			changed = true
		}
	}
	for _, added := range after.keys[len(s.keys):] {
		if added.from != after.size || added.until != stillHolds {
			return errors.New("keys: a new key begins elsewhere")
		}
	}
	if !changed || (len(s.openLogKeys()) > 0 && len(after.openLogKeys()) == 0) {
		return errors.New("keys: nothing changes, or the log is left without a key")
	}
	return nil
}

package main

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"os"

	"github.com/transparency-dev/merkle/compact"
	"github.com/transparency-dev/merkle/proof"
	"github.com/transparency-dev/merkle/rfc6962"
)

// tree is a vector: the tree over the leaves 0, 1, 2… of a byte each, and our proofs in it.
type tree struct {
	Size      uint64
	Root      string
	Inclusion []struct {
		Index uint64
		Path  []string
	}
	Consistency []struct {
		OldSize uint64 `json:"old_size"`
		Path    []string
	}
}

// checkProofs checks every root, inclusion and consistency proof of the file with transparency-dev/merkle alone.
func checkProofs(file string) (int, error) {
	data, err := os.ReadFile(file)
	if err != nil {
		return 0, err
	}
	var trees []tree
	if err := json.Unmarshal(data, &trees); err != nil {
		return 0, err
	}
	count := 0
	for _, t := range trees {
		if err := t.check(); err != nil {
			return 0, fmt.Errorf("size %d: %w", t.Size, err)
		}
		count += len(t.Inclusion) + len(t.Consistency)
	}
	return count, nil
}

func (t tree) check() error {
	root, err := rootOf(t.Size)
	if err != nil {
		return err
	}
	if said, err := base64.StdEncoding.DecodeString(t.Root); err != nil || !bytes.Equal(said, root) {
		return errors.New("another root")
	}
	for _, p := range t.Inclusion {
		path, err := decode(p.Path)
		if err != nil {
			return err
		}
		leaf := rfc6962.DefaultHasher.HashLeaf([]byte{byte(p.Index)})
		if err := proof.VerifyInclusion(rfc6962.DefaultHasher, p.Index, t.Size, leaf, path, root); err != nil {
			return fmt.Errorf("leaf %d: %w", p.Index, err)
		}
	}
	for _, p := range t.Consistency {
		path, err := decode(p.Path)
		if err != nil {
			return err
		}
		old, err := rootOf(p.OldSize)
		if err != nil {
			return err
		}
		if err := proof.VerifyConsistency(rfc6962.DefaultHasher, p.OldSize, t.Size, path, old, root); err != nil {
			return fmt.Errorf("consistency with size %d: %w", p.OldSize, err)
		}
	}
	return nil
}

func rootOf(size uint64) ([]byte, error) {
	factory := compact.RangeFactory{Hash: rfc6962.DefaultHasher.HashChildren}
	leaves := factory.NewEmptyRange(0)
	for n := range size {
		if err := leaves.Append(rfc6962.DefaultHasher.HashLeaf([]byte{byte(n)}), nil); err != nil {
			return nil, err
		}
	}
	return leaves.GetRootHash(nil)
}

func decode(lines []string) ([][]byte, error) {
	hashes := make([][]byte, len(lines))
	for i, line := range lines {
		hash, err := base64.StdEncoding.DecodeString(line)
		if err != nil {
			return nil, err
		}
		hashes[i] = hash
	}
	return hashes, nil
}

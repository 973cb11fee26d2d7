// Command tiles reads a log served as C2SP tlog-tiles with code that nobody here wrote: golang.org/x/mod/sumdb/tlog,
// transparency-dev/tessera's client and fsck, filippo.io/torchwood. It is given the log's URL and public key, and
// checkpoints of before as size:root; it prints a line for each reader and exits 1 at the first that does not agree.
// With merkle it is given tests/golden/merkle.json instead, and checks our proofs with transparency-dev/merkle.
package main

import (
	"context"
	"encoding/base64"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"strconv"
	"strings"

	"filippo.io/torchwood"
	"github.com/transparency-dev/merkle/proof"
	"github.com/transparency-dev/merkle/rfc6962"
	"github.com/transparency-dev/tessera/api"
	"github.com/transparency-dev/tessera/client"
	"github.com/transparency-dev/tessera/fsck"
	"golang.org/x/mod/sumdb/note"
	"golang.org/x/mod/sumdb/tlog"
)

type checkpoint struct {
	size int64
	root tlog.Hash
}

func main() {
	if len(os.Args) == 3 && os.Args[1] == "merkle" {
		count, err := checkProofs(os.Args[2])
		if err != nil {
			fmt.Fprintf(os.Stderr, "merkle: %v\n", err)
			os.Exit(1)
		}
		fmt.Printf("%d proofs hold\n", count)
		return
	}
	if len(os.Args) < 4 {
		fmt.Fprintln(os.Stderr, "usage: tiles sumdb|tessera|torchwood <url> <vkey> [size:root ...] | tiles merkle <file>")
		os.Exit(2)
	}
	readers := map[string]func(string, note.Verifier, []checkpoint) error{
		"sumdb": readSumdb, "tessera": readTessera, "torchwood": readTorchwood,
	}
	err := run(readers[os.Args[1]], os.Args[2], os.Args[3], os.Args[4:])
	if err != nil {
		fmt.Fprintf(os.Stderr, "%s: %v\n", os.Args[1], err)
		os.Exit(1)
	}
	fmt.Printf("%s agrees\n", os.Args[1])
}

func run(read func(string, note.Verifier, []checkpoint) error, base, vkey string, texts []string) error {
	if read == nil {
		return fmt.Errorf("no such reader")
	}
	verifier, err := note.NewVerifier(vkey)
	if err != nil {
		return err
	}
	var before []checkpoint
	for _, text := range texts {
		size, root, _ := strings.Cut(text, ":")
		n, err := strconv.ParseInt(size, 10, 64)
		if err != nil {
			return err
		}
		raw, err := base64.StdEncoding.DecodeString(root)
		if err != nil || len(raw) != tlog.HashSize {
			return fmt.Errorf("root %q", root)
		}
		before = append(before, checkpoint{n, tlog.Hash(raw)})
	}
	return read(base, verifier, before)
}

func get(address string) ([]byte, error) {
	response, err := http.Get(address)
	if err != nil {
		return nil, err
	}
	defer response.Body.Close()
	if response.StatusCode != http.StatusOK {
		return nil, fmt.Errorf("%s: %s", address, response.Status)
	}
	return io.ReadAll(response.Body)
}

func latest(base string, verifier note.Verifier) (tlog.Tree, error) {
	raw, err := get(base + "checkpoint")
	if err != nil {
		return tlog.Tree{}, err
	}
	opened, err := note.Open(raw, note.VerifierList(verifier))
	if err != nil {
		return tlog.Tree{}, err
	}
	parsed, err := torchwood.ParseCheckpoint(opened.Text)
	if err != nil {
		return tlog.Tree{}, err
	}
	if parsed.Origin != verifier.Name() {
		return tlog.Tree{}, fmt.Errorf("origin %q", parsed.Origin)
	}
	return parsed.Tree, nil
}

// httpTiles is a tlog.TileReader over HTTP, with the paths of tlog-tiles.
type httpTiles struct{ base string }

func (h httpTiles) Height() int                     { return 8 }
func (h httpTiles) SaveTiles([]tlog.Tile, [][]byte) {}
func (h httpTiles) ReadTiles(tiles []tlog.Tile) ([][]byte, error) {
	var all [][]byte
	for _, tile := range tiles {
		data, err := get(h.base + "tile/" + strings.TrimPrefix(tile.Path(), "tile/8/"))
		if err != nil {
			return nil, err
		}
		all = append(all, data)
	}
	return all, nil
}

// readSumdb proves every entry and every checkpoint of before with golang.org/x/mod/sumdb/tlog alone.
func readSumdb(base string, verifier note.Verifier, before []checkpoint) error {
	tree, err := latest(base, verifier)
	if err != nil {
		return err
	}
	hashes := tlog.TileHashReader(tree, httpTiles{base})
	for index := int64(0); index < tree.N; index++ {
		leaf, err := hashes.ReadHashes([]int64{tlog.StoredHashIndex(0, index)})
		if err != nil {
			return err
		}
		path, err := tlog.ProveRecord(tree.N, index, hashes)
		if err != nil {
			return err
		}
		if err := tlog.CheckRecord(path, tree.N, tree.Hash, index, leaf[0]); err != nil {
			return fmt.Errorf("entry %d: %w", index, err)
		}
	}
	for _, old := range before {
		path, err := tlog.ProveTree(tree.N, old.size, hashes)
		if err != nil {
			return err
		}
		if err := tlog.CheckTree(path, tree.N, tree.Hash, old.size, old.root); err != nil {
			return fmt.Errorf("consistency with size %d: %w", old.size, err)
		}
	}
	return nil
}

// readTessera runs tessera's fsck, and its client's proofs through transparency-dev/merkle.
func readTessera(base string, verifier note.Verifier, before []checkpoint) error {
	address, err := url.Parse(base)
	if err != nil {
		return err
	}
	fetcher, err := client.NewHTTPFetcher(address, nil)
	if err != nil {
		return err
	}
	ctx := context.Background()
	if err := fsck.New(verifier.Name(), verifier, fetcher, leafHashes, fsck.Opts{N: 2}).Check(ctx); err != nil {
		return fmt.Errorf("fsck: %w", err)
	}
	now, _, _, err := client.FetchCheckpoint(ctx, fetcher.ReadCheckpoint, verifier, verifier.Name())
	if err != nil {
		return err
	}
	builder, err := client.NewProofBuilder(ctx, now.Size, fetcher.ReadTile)
	if err != nil {
		return err
	}
	for index := uint64(0); index < now.Size; index += 37 {
		bundle, err := client.GetEntryBundle(ctx, fetcher.ReadEntryBundle, index/256, now.Size)
		if err != nil {
			return err
		}
		path, err := builder.InclusionProof(ctx, index)
		if err != nil {
			return err
		}
		leaf := rfc6962.DefaultHasher.HashLeaf(bundle.Entries[index%256])
		if err := proof.VerifyInclusion(rfc6962.DefaultHasher, index, now.Size, leaf, path, now.Hash); err != nil {
			return fmt.Errorf("entry %d: %w", index, err)
		}
	}
	for _, old := range before {
		path, err := builder.ConsistencyProof(ctx, uint64(old.size), now.Size)
		if err != nil {
			return err
		}
		err = proof.VerifyConsistency(rfc6962.DefaultHasher, uint64(old.size), now.Size, path, old.root[:], now.Hash)
		if err != nil {
			return fmt.Errorf("consistency with size %d: %w", old.size, err)
		}
	}
	return nil
}

func leafHashes(bundle []byte) ([][]byte, error) {
	var parsed api.EntryBundle
	if err := parsed.UnmarshalText(bundle); err != nil {
		return nil, err
	}
	var hashes [][]byte
	for _, entry := range parsed.Entries {
		hashes = append(hashes, rfc6962.DefaultHasher.HashLeaf(entry))
	}
	return hashes, nil
}

// readTorchwood reads every entry with torchwood's client, which holds each against the tree.
func readTorchwood(base string, verifier note.Verifier, _ []checkpoint) error {
	tree, err := latest(base, verifier)
	if err != nil {
		return err
	}
	fetcher, err := torchwood.NewTileFetcher(base)
	if err != nil {
		return err
	}
	reader, err := torchwood.NewClient(fetcher)
	if err != nil {
		return err
	}
	ctx := context.Background()
	// Entries leaves a partial last tile for later, as the specification advises; Entry reads those.
	next := int64(0)
	for index := range reader.Entries(ctx, tree, 0) {
		if index != next {
			return fmt.Errorf("entry %d after %d", index, next-1)
		}
		next++
	}
	if err := reader.Err(); err != nil {
		return err
	}
	for ; next < tree.N; next++ {
		entry, path, err := reader.Entry(ctx, tree, next)
		if err != nil {
			return err
		}
		if err := tlog.CheckRecord(path, tree.N, tree.Hash, next, tlog.RecordHash(entry)); err != nil {
			return fmt.Errorf("entry %d: %w", next, err)
		}
	}
	return nil
}

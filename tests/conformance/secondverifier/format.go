package main

import (
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"regexp"
	"strconv"
	"strings"
	"time"

	"golang.org/x/mod/sumdb/tlog"
)

// The limits of the format.
const (
	maxBundle     = 4_000_000
	maxInteger    = 1<<53 - 1
	maxPath       = 63
	maxSignatures = 100
)

// bundle is a proof bundle whose every part has the one spelling that the format allows.
type bundle struct {
	event, entry []byte
	index        int64
	path         []tlog.Hash
	sealed       entry
	header       header
	log          logProof
}

// header is what a sealer signed of a block, as far as the steps need it.
type header struct {
	count  int64
	origin string
	root   tlog.Hash
}

// entry is a block header's exact text, who signed it, and the signature.
type entry struct {
	header, key string
	signature   []byte
}

// logProof is a C2SP tlog-proof: the place of an entry, its path, and a signed checkpoint.
type logProof struct {
	index      int64
	path       []tlog.Hash
	note       string
	checkpoint checkpoint
}

// checkpoint is the text of a note as C2SP tlog-checkpoint has it.
type checkpoint struct {
	origin string
	size   int64
	root   tlog.Hash
}

func parseBundle(data []byte) (*bundle, error) {
	if len(data) > maxBundle {
		return nil, errors.New("bundle: too large")
	}
	var m struct {
		Block struct {
			Entry string   `json:"entry"`
			Index int64    `json:"index"`
			Path  []string `json:"path"`
		} `json:"block"`
		Event string `json:"event"`
		Log   string `json:"log"`
		V     int64  `json:"v"`
	}
	if err := json.Unmarshal(data, &m); err != nil {
		return nil, fmt.Errorf("bundle: %w", err)
	}
	// What was read, written again in canonical form, must be the very bytes that came in: this refuses unknown,
	// missing and repeated keys, other spellings of a value, and whatever stands around the object.
	again := object(
		"block", object("entry", text(m.Block.Entry), "index", integer(m.Block.Index), "path", texts(m.Block.Path)),
		"event", text(m.Event), "log", text(m.Log), "v", integer(m.V),
	)
	if again != string(data) {
		return nil, errors.New("bundle: not in canonical form")
	}
	if m.V != 1 || m.Block.Index < 0 || m.Block.Index > maxInteger {
		return nil, errors.New("bundle: version or index")
	}
	b := &bundle{index: m.Block.Index}
	var err error
	if b.event, err = unbase64(m.Event, -1); err != nil {
		return nil, fmt.Errorf("event: %w", err)
	}
	if b.entry, err = unbase64(m.Block.Entry, -1); err != nil {
		return nil, fmt.Errorf("entry: %w", err)
	}
	if b.path, err = parsePath(m.Block.Path); err != nil {
		return nil, fmt.Errorf("block path: %w", err)
	}
	if b.sealed, b.header, err = parseEntry(b.entry); err != nil {
		return nil, fmt.Errorf("entry: %w", err)
	}
	if b.log, err = parseLogProof(m.Log); err != nil {
		return nil, fmt.Errorf("log: %w", err)
	}
	return b, nil
}

func parseEntry(data []byte) (entry, header, error) {
	var m struct {
		Header    string `json:"header"`
		Key       string `json:"key"`
		Signature string `json:"signature"`
	}
	if err := json.Unmarshal(data, &m); err != nil {
		return entry{}, header{}, err
	}
	if object("header", text(m.Header), "key", text(m.Key), "signature", text(m.Signature)) != string(data) {
		return entry{}, header{}, errors.New("not in canonical form")
	}
	signature, err := unbase64(m.Signature, 64)
	if err != nil {
		return entry{}, header{}, fmt.Errorf("signature: %w", err)
	}
	if !isLine(m.Key) {
		return entry{}, header{}, errors.New("the key is not a line")
	}
	h, err := parseHeader(m.Header)
	return entry{m.Header, m.Key, signature}, h, err
}

var (
	hex64    = regexp.MustCompile(`^[0-9a-f]{64}$`)
	decimal  = regexp.MustCompile(`^(0|[1-9][0-9]{0,15})$`)
	timeForm = regexp.MustCompile(`^[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}\.[0-9]{3}Z$`)
	zeros    = strings.Repeat("0", 64)
)

func parseHeader(data string) (header, error) {
	var m struct {
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
	if err := json.Unmarshal([]byte(data), &m); err != nil {
		return header{}, fmt.Errorf("header: %w", err)
	}
	again := object(
		"count", integer(m.Count), "from", integer(m.From), "gen", integer(m.Gen), "hash", text(m.Hash),
		"height", integer(m.Height), "origin", text(m.Origin), "prev", text(m.Prev), "root", text(m.Root),
		"shard", integer(m.Shard), "start", integer(m.Start), "time", text(m.Time), "v", integer(m.V),
	)
	if again != data {
		return header{}, errors.New("header: not in canonical form")
	}
	if m.Hash != "sha-256" || m.V != 1 {
		return header{}, errors.New("header: another hash or version")
	}
	for _, n := range []int64{m.Count, m.From, m.Gen, m.Height, m.Shard, m.Start} {
		if n < 0 || n > maxInteger {
			return header{}, errors.New("header: a number is out of range")
		}
	}
	if m.Count == 0 || !isLine(m.Origin) || !hex64.MatchString(m.Prev) || !hex64.MatchString(m.Root) {
		return header{}, errors.New("header: count, origin, prev or root")
	}
	if (m.Height == 0) != (m.Prev == zeros) {
		return header{}, errors.New("header: prev does not fit the height")
	}
	when, err := time.Parse("2006-01-02T15:04:05.000Z", m.Time)
	if err != nil || when.Year() == 0 || !timeForm.MatchString(m.Time) {
		return header{}, errors.New("header: time")
	}
	root, err := hex.DecodeString(m.Root)
	if err != nil {
		return header{}, err
	}
	return header{m.Count, m.Origin, tlog.Hash(root)}, nil
}

func parseLogProof(proof string) (logProof, error) {
	head, signed, found := strings.Cut(proof, "\n\n")
	lines := strings.Split(head, "\n")
	if !found || len(lines) < 2 || lines[0] != "c2sp.org/tlog-proof@v1" || !strings.HasPrefix(lines[1], "index ") {
		return logProof{}, errors.New("not a tlog-proof")
	}
	index, err := parseDecimal(strings.TrimPrefix(lines[1], "index "))
	if err != nil {
		return logProof{}, err
	}
	path, err := parsePath(lines[2:])
	if err != nil {
		return logProof{}, err
	}
	said, err := parseNote(signed)
	return logProof{index, path, signed, said}, err
}

// noteText holds a note to what the format asks for beyond golang.org/x/mod/sumdb/note: base64 without stray bits,
// and every line a signature's, whether its signer is known or not. note.Open is left to judge the signatures.
func noteText(signed string) (string, error) {
	split := strings.LastIndex(signed, "\n\n")
	if split < 0 || !strings.HasSuffix(signed, "\n") || len(signed) < split+3 {
		return "", errors.New("note: no signatures")
	}
	lines := strings.Split(strings.TrimSuffix(signed[split+2:], "\n"), "\n")
	if len(lines) > maxSignatures {
		return "", errors.New("note: too many signatures")
	}
	for _, line := range lines {
		rest, isSignature := strings.CutPrefix(line, "— ")
		name, encoded, _ := strings.Cut(rest, " ")
		data, err := unbase64(encoded, -1)
		if !isSignature || !isName(name) || err != nil || len(data) < 5 {
			return "", errors.New("note: a line is no signature")
		}
	}
	return signed[:split+1], nil
}

func parseNote(signed string) (checkpoint, error) {
	body, err := noteText(signed)
	if err != nil {
		return checkpoint{}, err
	}
	parts := strings.Split(body, "\n")
	if len(parts) != 4 || parts[3] != "" || !isLine(parts[0]) {
		return checkpoint{}, errors.New("checkpoint: not origin, size and root")
	}
	size, err := parseDecimal(parts[1])
	if err != nil {
		return checkpoint{}, err
	}
	root, err := unbase64(parts[2], tlog.HashSize)
	if err != nil {
		return checkpoint{}, err
	}
	return checkpoint{parts[0], size, tlog.Hash(root)}, nil
}

func parsePath(lines []string) ([]tlog.Hash, error) {
	if len(lines) > maxPath {
		return nil, errors.New("too many hashes")
	}
	path := make([]tlog.Hash, len(lines))
	for i, line := range lines {
		data, err := unbase64(line, tlog.HashSize)
		if err != nil {
			return nil, err
		}
		path[i] = tlog.Hash(data)
	}
	return path, nil
}

func parseDecimal(digits string) (int64, error) {
	n, err := strconv.ParseInt(digits, 10, 64)
	if err != nil || n > maxInteger || !decimal.MatchString(digits) {
		return 0, errors.New("not a plain number")
	}
	return n, nil
}

// unbase64 decodes base64 that has no other spelling, of this many bytes where size is not negative.
func unbase64(encoded string, size int) ([]byte, error) {
	data, err := base64.StdEncoding.Strict().DecodeString(encoded)
	if err != nil {
		return nil, err
	}
	if base64.StdEncoding.EncodeToString(data) != encoded || (size >= 0 && len(data) != size) {
		return nil, errors.New("base64 of another size or spelling")
	}
	return data, nil
}

// isLine tells whether text is a line that is not empty, without control characters.
func isLine(s string) bool {
	return s != "" && strings.IndexFunc(s, func(r rune) bool { return r < ' ' }) < 0
}

// The canonical form of JSON (RFC 8785), written here once more: encoding/json escapes more than it allows.

func object(pairs ...string) string {
	var b strings.Builder
	for i := 0; i < len(pairs); i += 2 {
		b.WriteString([]string{"{", ","}[min(i, 1)])
		b.WriteString(text(pairs[i]) + ":" + pairs[i+1])
	}
	return b.String() + "}"
}

func integer(n int64) string { return strconv.FormatInt(n, 10) }

func texts(values []string) string {
	quoted := make([]string, len(values))
	for i, value := range values {
		quoted[i] = text(value)
	}
	return "[" + strings.Join(quoted, ",") + "]"
}

var escapes = map[rune]string{'"': `\"`, '\\': `\\`, '\b': `\b`, '\t': `\t`, '\n': `\n`, '\f': `\f`, '\r': `\r`}

func text(value string) string {
	var b strings.Builder
	b.WriteByte('"')
	for _, r := range value {
		if escape, found := escapes[r]; found {
			b.WriteString(escape)
		} else if r < ' ' {
			fmt.Fprintf(&b, `\u%04x`, r)
		} else {
			b.WriteRune(r)
		}
	}
	b.WriteByte('"')
	return b.String()
}

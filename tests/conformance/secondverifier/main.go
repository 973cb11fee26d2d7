// Command secondverifier checks proof bundles and shares no code with balance-verify: it is written from the format's
// description over golang.org/x/mod/sumdb/{note,tlog} and Go's standard library, to disagree where one of us is wrong.
//
//	secondverifier -vkey FILE [-sealer-vkey FILE] [-policy FILE] [-keys FILE] [-operator-only] BUNDLE
//
// prints the result of each of the seven steps, a line each, and exits 0 verified, 1 not, 2 wrong use, 3 unreadable.
// With -batch it reads bundles from standard input instead, base64, one a line, and answers each in a line of JSON; with
// -key-batch BUNDLE it reads key sets so, and answers what each makes of the bundle.
package main

import (
	"bufio"
	"encoding/base64"
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"strings"
)

const (
	verified, notVerified, usage, unreadable = 0, 1, 2, 3

	maxLine = 16 << 20
)

// answer is what is said of a bundle in a batch.
type answer struct {
	Malformed string   `json:"malformed,omitempty"`
	Results   []string `json:"results,omitempty"`
	OK        bool     `json:"ok"`
}

func main() {
	os.Exit(run())
}

func run() int {
	vkey := flag.String("vkey", "", "file with the log's public key")
	sealer := flag.String("sealer-vkey", "", "file with the sealer's public key")
	policyFile := flag.String("policy", "", "file with a witness policy")
	operatorOnly := flag.Bool("operator-only", false, "accept the operator's word alone")
	keysFile := flag.String("keys", "", "file with the log's key sets")
	keyBatch := flag.Bool("key-batch", false, "read key sets from standard input, base64, one a line")
	batch := flag.Bool("batch", false, "read bundles from standard input, base64, one a line")
	flag.Parse()
	if *vkey == "" || (flag.NArg() == 1) == *batch {
		flag.Usage()
		return usage
	}
	v, code, err := readVerifier(*vkey, *sealer, *policyFile)
	if err == nil && *keysFile != "" {
		v.keys, code, err = readKeys(*keysFile, v.log)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "secondverifier:", err)
		return code
	}
	if *batch {
		return runBatch(v.answer)
	}
	data, err := os.ReadFile(flag.Arg(0))
	if err != nil {
		fmt.Fprintln(os.Stderr, "secondverifier:", err)
		return unreadable
	}
	if *keyBatch {
		return runBatch(func(keys []byte) answer { return v.answerWith(keys, data) })
	}
	said := v.answer(data)
	if said.Malformed != "" {
		fmt.Println("malformed:", said.Malformed)
		return notVerified
	}
	for i, result := range said.Results {
		fmt.Printf("%d  %-21s %s\n", i+1, stepNames[i], result)
	}
	if said.OK && (*operatorOnly || v.policy != nil) {
		fmt.Println("verified")
		return verified
	}
	fmt.Println("not verified")
	return notVerified
}

func runBatch(answerTo func([]byte) answer) int {
	lines := bufio.NewScanner(os.Stdin)
	lines.Buffer(nil, maxLine)
	out := bufio.NewWriter(os.Stdout)
	defer out.Flush()
	answers := json.NewEncoder(out)
	for lines.Scan() {
		data, err := base64.StdEncoding.DecodeString(lines.Text())
		if err != nil {
			fmt.Fprintln(os.Stderr, "secondverifier: a line is not base64")
			return usage
		}
		if err := answers.Encode(answerTo(data)); err != nil {
			return unreadable
		}
	}
	if err := lines.Err(); err != nil {
		fmt.Fprintln(os.Stderr, "secondverifier:", err)
		return unreadable
	}
	return verified
}

func (v *verifier) answer(data []byte) answer {
	b, err := parseBundle(data)
	if err != nil {
		return answer{Malformed: err.Error()}
	}
	results, ok := v.check(b)
	return answer{Results: results, OK: ok}
}

// answerWith says what is said of a bundle by whoever has these key sets.
func (v *verifier) answerWith(keys, data []byte) answer {
	parsed, err := parseKeySets(string(keys), v.log)
	if err != nil {
		return answer{Malformed: err.Error()}
	}
	with := *v
	with.keys = parsed
	return with.answer(data)
}

func readKeys(file string, log *key) (*keySet, int, error) {
	data, err := os.ReadFile(file)
	if err != nil {
		return nil, unreadable, err
	}
	keys, err := parseKeySets(string(data), log)
	return keys, notVerified, err
}

func readVerifier(vkeyFile, sealerFile, policyFile string) (*verifier, int, error) {
	v := &verifier{}
	data, err := os.ReadFile(vkeyFile)
	if err != nil {
		return nil, unreadable, err
	}
	if v.log, err = parseKey(strings.TrimSuffix(string(data), "\n"), ed25519Key); err != nil {
		return nil, usage, err
	}
	if sealerFile != "" {
		if data, err = os.ReadFile(sealerFile); err != nil {
			return nil, unreadable, err
		}
		if v.sealer, err = parseKey(strings.TrimSuffix(string(data), "\n"), ed25519Key); err != nil {
			return nil, usage, err
		}
	}
	if policyFile != "" {
		if data, err = os.ReadFile(policyFile); err != nil {
			return nil, unreadable, err
		}
		if v.policy, err = parsePolicy(string(data)); err != nil {
			return nil, usage, err
		}
	}
	return v, verified, nil
}

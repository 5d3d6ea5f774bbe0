package artifact

import (
	"bytes"
	"crypto/sha256"
	"encoding/binary"
)

// repack rewrites the section checksums of b where its section table can be
// followed, and returns a copy.
func repack(b []byte) []byte {
	b = bytes.Clone(b)
	for pos := fileHeaderLen; pos+sectionHdrLen <= len(b); {
		n := binary.LittleEndian.Uint64(b[pos+4:])
		body := pos + sectionHdrLen
		if n > uint64(len(b)-body) {
			break
		}
		sum := sha256.Sum256(b[body : body+int(n)])
		copy(b[pos+12:], sum[:])
		pos = body + int(n)
	}
	return b
}

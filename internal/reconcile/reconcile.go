// Package reconcile finds the difference between a desired and an actual
// state, both maps from a key to a value.
package reconcile

import "iter"

// Kind of a change. The zero value is invalid.
type Kind uint8

// The kinds of change.
const (
	Create Kind = iota + 1 // wanted, not there
	Update                 // there with another value
	Delete                 // there, not wanted
)

// String returns "create", "update" or "delete".
func (k Kind) String() string {
	switch k {
	case Create:
		return "create"
	case Update:
		return "update"
	case Delete:
		return "delete"
	default:
		return "invalid"
	}
}

// Change is one key's way from the actual to the desired state.
type Change[K comparable, V any] struct {
	Kind Kind
	Key  K
	Want V // zero for Delete
	Have V // zero for Create
}

// Diff yields what has to happen to have for it to become want: nothing for
// keys whose values are equal by eq. The order is not specified. The maps must
// not be changed while the sequence is consumed.
func Diff[K comparable, V any](want, have map[K]V, eq func(a, b V) bool) iter.Seq[Change[K, V]] {
	return func(yield func(Change[K, V]) bool) {
		for k, w := range want {
			h, ok := have[k]
			switch {
			case !ok:
				if !yield(Change[K, V]{Kind: Create, Key: k, Want: w}) {
					return
				}
			case !eq(w, h):
				if !yield(Change[K, V]{Kind: Update, Key: k, Want: w, Have: h}) {
					return
				}
			}
		}
		for k, h := range have {
			if _, ok := want[k]; !ok {
				if !yield(Change[K, V]{Kind: Delete, Key: k, Have: h}) {
					return
				}
			}
		}
	}
}

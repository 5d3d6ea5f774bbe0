// Package verify is the translation validation of a compile: it asks an
// artifact and the slow evaluator of internal/oracle, which knows nothing of
// the compiler, the same questions, and insists on the same answers and
// reasons.
//
// The questions come from both sides, so that neither what the compiler lost
// nor what it made up goes unasked: from each rule of the sources its
// subjects, its peers, their neighbours, and each boundary of its ports and
// blocks; from each clause of the artifact the same.
package verify

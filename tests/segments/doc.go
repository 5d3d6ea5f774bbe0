// Package segments holds compiled segment rules to what their modules say.
package segments

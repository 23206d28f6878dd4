// Package repwatch holds the catalogue of lists that comes with the program.
package repwatch

import _ "embed"

// Blocklists is blocklists.yaml, the built-in catalogue.
//
//go:embed blocklists.yaml
var Blocklists []byte

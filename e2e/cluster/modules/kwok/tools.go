//go:build tools

// Package tools pins what the end-to-end cluster builds from this module.
package tools

import (
	_ "sigs.k8s.io/kwok/cmd/kwok"
)

package api

import _ "embed"

// OpenAPI describes /api/v1: its routes, and the documents of this package.
//
//go:embed openapi.yaml
var OpenAPI []byte

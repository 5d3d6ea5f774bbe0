package rego

import (
	"context"

	"github.com/open-policy-agent/opa/v1/storage"
)

func (m *Modules) validate(ctx context.Context, j *job, inv *Inventory, txn storage.Transaction, budget *budget) {
}

package main

import (
	"context"

	numbersv1 "example.com/parity/gen/parity/numbers/v1"
)

// drawCommand draws one number.
type drawCommand struct {
	Parity string `arg:"" optional:"" enum:"even,odd,any" default:"any" help:"even or odd; either if left out."`
}

var parities = map[string]numbersv1.Parity{
	"even": numbersv1.Parity_PARITY_EVEN,
	"odd":  numbersv1.Parity_PARITY_ODD,
	"any":  numbersv1.Parity_PARITY_UNSPECIFIED,
}

type drawRecord struct {
	Number int32  `json:"number"`
	Parity string `json:"parity"`
}

// Run implements command.
func (c *drawCommand) Run(ctx context.Context, p *program) error {
	ctx, cancel := context.WithTimeout(ctx, callTimeout)
	defer cancel()
	r, err := numbersv1.NewNumberServiceClient(p.conn).Draw(ctx, &numbersv1.DrawRequest{Parity: parities[c.Parity]})
	if err != nil {
		return err
	}
	parity := "even"
	if r.GetParity() == numbersv1.Parity_PARITY_ODD {
		parity = "odd"
	}
	return p.print(drawRecord{r.GetNumber(), parity}, "%d", r.GetNumber())
}

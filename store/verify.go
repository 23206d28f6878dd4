package store
import "errors"
type Report struct{}
func Verify(path string) (Report, error) { return Report{}, errors.New("x") }
func (r Report) pagesErr(p string) error { return nil }

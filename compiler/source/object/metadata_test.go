package object

import (
	"reflect"
	"slices"
	"strings"
	"testing"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

func TestMetadataFieldsExist(t *testing.T) {
	meta := reflect.TypeOf(metav1.ObjectMeta{})
	var fields []string
	for i := range meta.NumField() {
		name, _, _ := strings.Cut(meta.Field(i).Tag.Get("json"), ",")
		fields = append(fields, name)
	}
	for name := range objectMetaFields {
		if !slices.Contains(fields, name) {
			t.Errorf("the API has no metadata.%s", name)
		}
	}
}

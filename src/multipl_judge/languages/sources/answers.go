
func harnessShow(value harnessreflect.Value, out *harnessbytes.Buffer) {
	switch value.Kind() {
	case harnessreflect.Slice, harnessreflect.Array:
		out.WriteByte('[')
		for i := 0; i < value.Len(); i++ {
			if i > 0 {
				out.WriteByte(',')
			}
			harnessShow(value.Index(i), out)
		}
		out.WriteByte(']')
	case harnessreflect.Map:
		out.WriteByte('{')
		for i, key := range value.MapKeys() {
			if i > 0 {
				out.WriteByte(',')
			}
			harnessfmt.Fprintf(out, "%s:", harnessQuoted(harnessfmt.Sprint(key.Interface())))
			harnessShow(value.MapIndex(key), out)
		}
		out.WriteByte('}')
	case harnessreflect.Ptr, harnessreflect.Interface:
		harnessShow(value.Elem(), out)
	case harnessreflect.Invalid:
		out.WriteString("null")
	case harnessreflect.String:
		out.WriteString(harnessQuoted(value.String()))
	case harnessreflect.Float32, harnessreflect.Float64:
		text := harnessfmt.Sprint(value.Float())
		switch text {
		case "+Inf":
			text = "Infinity"
		case "-Inf":
			text = "-Infinity"
		}
		out.WriteString(text)
	default:
		harnessfmt.Fprint(out, value)
	}
}

func harnessQuoted(text string) string {
	quoted := []byte{'"'}
	for i := 0; i < len(text); i++ {
		if letter := text[i]; letter < ' ' || letter == '"' || letter == '\\' {
			quoted = append(quoted, harnessfmt.Sprintf("\\u%04x", letter)...)
		} else {
			quoted = append(quoted, letter)
		}
	}
	return string(append(quoted, '"'))
}

func harnessAnswer(value any) {
	var out harnessbytes.Buffer
	harnessShow(harnessreflect.ValueOf(value), &out)
	harnessfmt.Printf("\nMARK%s\n", out.Bytes())
}

func main() {
CALLS
}

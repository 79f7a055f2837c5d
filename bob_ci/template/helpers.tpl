{{- /* Helpers of `bobctl chart`. Each is the counterpart of a Python function of the same meaning. */}}

{{- /* A value that must be a string: with --set instead of --set-string a number is a number. */}}
{{- define "bob.string" -}}
{{- if kindIs "string" . -}}{{ . }}
{{- else if kindIs "invalid" . -}}{{ fail "bob: a value is missing" }}
{{- else -}}{{ fail (printf "bob: %v is a %s where a string is due; use --set-string" . (kindOf .)) }}
{{- end -}}
{{- end -}}

{{- /* What a place in the YAML takes. */}}
{{- define "bob.quoted" -}}
{{- include "bob.string" . | replace "\\" "\\\\" | replace "\"" "\\\"" | replace "\n" "\\n" | replace "\t" "\\t" | replace "<no value>" "\\x3cno value>" -}}
{{- end -}}

{{- define "bob.single" -}}
{{- include "bob.fitting" (list . "^[^\\n\\r]*$" "has a line break between single quotes") | replace "'" "''" -}}
{{- end -}}

{{- define "bob.plain" -}}
{{- include "bob.fitting" (list . "@PLAIN@" "cannot stand without quotes") -}}
{{- end -}}

{{- define "bob.line" -}}
{{- include "bob.fitting" (list . "@BLOCK_LINE@" "does not fit into a line") -}}
{{- end -}}

{{- define "bob.lines" -}}
{{- include "bob.fitting" (list . "@BLOCK_LINES@" "begins with a blank") -}}
{{- end -}}

{{- define "bob.integer" -}}
{{- include "bob.fitting" (list . "@INTEGER@" "is no number") -}}
{{- end -}}

{{- define "bob.boolean" -}}
{{- include "bob.fitting" (list . "@BOOLEAN@" "is neither true nor false") -}}
{{- end -}}

{{- define "bob.block" -}}
{{- include "bob.fitting" (list . "@BLOCK@" "is no address and no network block") -}}
{{- end -}}

{{- define "bob.fitting" -}}
{{- $text := include "bob.string" (index . 0) -}}
{{- if not (regexMatch (index . 1) $text) -}}{{ fail (printf "bob: %q %s" $text (index . 2)) }}{{- end -}}
{{- if contains "<no value>" $text -}}{{ fail (printf "bob: %q: Helm deletes <no value>" $text) }}{{- end -}}
{{- $text -}}
{{- end -}}

{{- /* Any value on one line. */}}
{{- define "bob.yaml" -}}
{{- if kindIs "map" . -}}
{ {{- range $position, $key := keys . | sortAlpha -}}{{ if $position }}, {{ end -}}
"{{ include "bob.quoted" $key }}": {{ include "bob.yaml" (index $ $key) }}{{- end -}} }
{{- else if kindIs "slice" . -}}
[ {{- range $position, $item := . -}}{{ if $position }}, {{ end -}}{{ include "bob.yaml" $item }}{{- end -}} ]
{{- else -}}
"{{ include "bob.quoted" . }}"
{{- end -}}
{{- end -}}

{{- /* Filters. */}}
{{- define "bob.quote" -}}"{{ include "bob.quoted" . }}"{{- end -}}

{{- define "bob.lower" -}}
{{- $text := include "bob.string" . -}}
{{- range $letter := splitList "" "ABCDEFGHIJKLMNOPQRSTUVWXYZ" -}}
{{- $text = replace $letter (lower $letter) $text -}}
{{- end -}}
{{- $text -}}
{{- end -}}

{{- define "bob.upper" -}}
{{- $text := include "bob.string" . -}}
{{- range $letter := splitList "" "abcdefghijklmnopqrstuvwxyz" -}}
{{- $text = replace $letter (upper $letter) $text -}}
{{- end -}}
{{- $text -}}
{{- end -}}

{{- define "bob.indent" -}}
{{- $blanks := repeat (int (index . 1)) " " -}}
{{- regexReplaceAll "\n([^\n])" (include "bob.string" (index . 0)) (printf "\n%s${1}" $blanks) -}}
{{- end -}}

{{- /* Network blocks. An address is a number of 32 bits; a prefix stands for 2^(32-prefix) of them. */}}
{{- define "bob.block4" -}}
{{- $text := include "bob.string" . -}}
{{- if not (regexMatch "@BLOCK4@" $text) -}}
{{- fail (printf "bob: %q is no IPv4 address or block like 10.0.0.0/8" $text) -}}
{{- end -}}
{{- $text -}}
{{- end -}}

{{- define "bob.prefixlen" -}}
{{- $text := include "bob.block4" . -}}
{{- if contains "/" $text -}}{{ index (splitList "/" $text) 1 }}{{- else -}}32{{- end -}}
{{- end -}}

{{- define "bob.size" -}}
{{- $size := 1 -}}
{{- range until (int (sub 32 (include "bob.prefixlen" . | int))) -}}{{- $size = mul $size 2 -}}{{- end -}}
{{- $size -}}
{{- end -}}

{{- define "bob.first" -}}
{{- $number := 0 -}}
{{- range $octet := splitList "." (index (splitList "/" (include "bob.block4" .)) 0) -}}
{{- $number = add (mul $number 256) (int64 $octet) -}}
{{- end -}}
{{- sub $number (mod $number (include "bob.size" . | int64)) -}}
{{- end -}}

{{- define "bob.dotted" -}}
{{- $number := int64 . -}}
{{- div $number 16777216 }}.{{ mod (div $number 65536) 256 }}.{{ mod (div $number 256) 256 }}.{{ mod $number 256 -}}
{{- end -}}

{{- define "bob.network" -}}
{{- include "bob.dotted" (include "bob.first" .) -}}
{{- end -}}

{{- define "bob.netmask" -}}
{{- include "bob.dotted" (sub 4294967296 (include "bob.size" . | int64)) -}}
{{- end -}}

{{- define "bob.hosts" -}}
{{- $size := include "bob.size" . | int64 -}}
{{- if gt $size @MAX_HOSTS@ -}}
{{- fail (printf "bob: %s has %d addresses, at most @MAX_HOSTS@ in one block" . $size) -}}
{{- end -}}
{{- $first := include "bob.first" . | int64 -}}
{{- if gt $size 2 -}}{{- $first = add $first 1 -}}{{- $size = sub $size 2 -}}{{- end -}}
{{- range $offset := until (int $size) -}}
{{- if $offset }},{{ end }}{{ include "bob.dotted" (add $first $offset) -}}
{{- end -}}
{{- end -}}

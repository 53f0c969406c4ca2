{{/* Labels of every object. Not of pods: a new version would be a new label, and selectors never change. */}}
{{- define "inferfleet.labels" -}}
{{ include "inferfleet.selector" . }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/part-of: inferfleet
{{- end }}

{{/* What selects the operator's pods; immutable in a Deployment, hence as in the first release. */}}
{{- define "inferfleet.selector" -}}
app.kubernetes.io/name: inferfleet-operator
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end }}

{{- define "inferfleet.serviceAccount" -}}
{{ .Values.serviceAccount.name | default "inferfleet-operator" }}
{{- end }}

{{/* Full name of an image: a list of the root and the image's values. */}}
{{- define "inferfleet.image" -}}
{{- $root := index . 0 }}
{{- $image := index . 1 }}
{{- $name := $image.repository }}
{{- with $root.Values.global.imageRegistry }}
{{- $first := first (splitList "/" $name) }}
{{- /* As container runtimes tell a registry from a folder. */}}
{{- if and (contains "/" $name) (or (contains "." $first) (contains ":" $first) (eq $first "localhost")) }}
{{- $name = trimPrefix (printf "%s/" $first) $name }}
{{- end }}
{{- $name = printf "%s/%s" (trimSuffix "/" .) $name }}
{{- end }}
{{- if $image.digest -}}
{{ $name }}@{{ $image.digest }}
{{- else -}}
{{ $name }}:{{ $image.tag | default $root.Chart.AppVersion }}
{{- end }}
{{- end }}

{{/* The entries over the bundled catalog: one YAML file for each kind that has any. Empty when none has. */}}
{{- define "inferfleet.catalog" -}}
{{- range $kind := list "hardware" "engines" "quantizations" "models" "workloads" }}
{{- with index $.Values.catalog $kind }}
{{ $kind }}.yaml: |
{{- toYaml . | nindent 2 }}
{{- end }}
{{- end }}
{{- end }}

{{/* `yes` if the objects of monitoring.coreos.com are wanted. */}}
{{- define "inferfleet.monitoring" -}}
{{- $wanted := toString .Values.monitoring.enabled }}
{{- if or (eq $wanted "true") (and (eq $wanted "auto") (.Capabilities.APIVersions.Has "monitoring.coreos.com/v1")) -}}
yes
{{- end }}
{{- end }}

{{/*
`yes` if a cluster-scoped object may be written: it is absent, or this release's own. Arguments: root, apiVersion,
kind, name. Without a cluster (helm template) every object counts as absent.
*/}}
{{- define "inferfleet.free" -}}
{{- $root := index . 0 }}
{{- $found := dict }}
{{- if $root.Capabilities.APIVersions.Has (printf "%s/%s" (index . 1) (index . 2)) }}
{{- $found = lookup (index . 1) (index . 2) "" (index . 3) }}
{{- end }}
{{- $by := dig "metadata" "annotations" "meta.helm.sh/release-name" "" $found }}
{{- $in := dig "metadata" "annotations" "meta.helm.sh/release-namespace" "" $found }}
{{- if or (not $found) (and (eq $by $root.Release.Name) (eq $in $root.Release.Namespace)) -}}
yes
{{- end }}
{{- end }}

{{- define "darkroom.name" -}}
{{- if contains "darkroom" .Release.Name }}{{ .Release.Name | trunc 40 | trimSuffix "-" }}{{ else }}{{ printf "%s-darkroom" (.Release.Name | trunc 31 | trimSuffix "-") }}{{ end -}}
{{- end }}

{{- define "darkroom.selector" -}}
app.kubernetes.io/name: darkroom
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end }}

{{- define "darkroom.labels" -}}
{{ include "darkroom.selector" . }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
helm.sh/chart: {{ .Chart.Name }}-{{ .Chart.Version }}
{{- end }}

{{- define "darkroom.secret" -}}
{{ .Values.existingSecret | default (include "darkroom.name" .) }}
{{- end }}

{{- /* The settings of all programs: config, and what follows from other values. */ -}}
{{- define "darkroom.config" -}}
{{- $found := dict }}
{{- if .Values.ingress.enabled }}
{{- $scheme := ternary "https" "http" (ne .Values.ingress.tlsSecret "") }}
{{- $_ := set $found "PROXIES" "1" }}
{{- $_ := set $found "PUBLIC_URL" (printf "%s://%s" $scheme .Values.ingress.host) }}
{{- end }}
{{- if .Values.stores.embedded }}
{{- $name := include "darkroom.name" . }}
{{- $_ := set $found "MONGO_URL" (printf "mongodb://%s-mongo-0.%s-mongo:27017/?replicaSet=darkroom" $name $name) }}
{{- $_ := set $found "REDIS_URL" (printf "redis://%s-redis:6379/0" $name) }}
{{- end }}
{{- range $key, $value := .Values.config }}
{{- /* A number of YAML is a float in Helm, which would print 3e+09. */ -}}
{{- if or (kindIs "float64" $value) (kindIs "int64" $value) (kindIs "int" $value) }}
{{- $whole := eq (float64 $value) (float64 (int64 $value)) }}
{{- $_ := set $found $key (ternary (int64 $value | toString) ($value | toString) $whole) }}
{{- else }}
{{- $_ := set $found $key ($value | toString) }}
{{- end }}
{{- end }}
{{- toYaml $found }}
{{- end }}

{{- /* What a pod of the image has, beside its containers. */ -}}
{{- define "darkroom.pod" -}}
automountServiceAccountToken: false
# Else a Service called smtp or redis would set SMTP_PORT or REDIS_URL's like.
enableServiceLinks: false
# Pause is process 1 then and reaps what has no parent, as `init: true` in Compose.
shareProcessNamespace: true
securityContext:
  runAsNonRoot: true
  runAsUser: 10001
  runAsGroup: 10001
  fsGroup: 10001
  # It allows Landlock and seccomp, with which workers confine their children.
  seccompProfile: {type: RuntimeDefault}
{{- with .Values.image.pullSecrets }}
imagePullSecrets:
  {{- range . }}
  - name: {{ . }}
  {{- end }}
{{- end }}
{{- with .Values.nodeSelector }}
nodeSelector: {{- toYaml . | nindent 2 }}
{{- end }}
{{- with .Values.tolerations }}
tolerations: {{- toYaml . | nindent 2 }}
{{- end }}
{{- end }}

{{- /* What a container of the image has, beside its command and probes. */ -}}
{{- define "darkroom.container" -}}
image: {{ printf "%s:%s" .Values.image.repository (.Values.image.tag | default .Chart.AppVersion) }}
imagePullPolicy: {{ .Values.image.pullPolicy }}
securityContext: {{- include "darkroom.confined" . | nindent 2 }}
envFrom:
  - configMapRef: {name: {{ include "darkroom.name" . }}}
{{- if or .Values.existingSecret .Values.secrets }}
  - secretRef: {name: {{ include "darkroom.secret" . }}}
{{- end }}
env:
  - {name: HOST, value: 0.0.0.0}
  - {name: PORT, value: "8080"}
  - {name: DATA_DIR, value: /home/darkroom/data}
  - {name: TMPDIR, value: /tmp}
volumeMounts:
  - {name: data, mountPath: /home/darkroom/data}
  - {name: scratch, mountPath: /tmp}
{{- end }}

{{- define "darkroom.confined" -}}
allowPrivilegeEscalation: false
readOnlyRootFilesystem: true
capabilities: {drop: [ALL]}
{{- end }}

{{- /* Begins a pod again when its settings change. */ -}}
{{- define "darkroom.checksum" -}}
darkroom/settings: {{ printf "%s%s" (include "darkroom.config" .) (toJson .Values.secrets) | sha256sum }}
{{- end }}

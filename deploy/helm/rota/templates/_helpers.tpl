{{- define "rota.labels" -}}
app.kubernetes.io/name: rota
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end }}

{{- define "rota.image" -}}
{{ .Values.image.repository }}:{{ .Values.image.tag | default .Chart.AppVersion }}
{{- end }}

{{- define "rota.env" -}}
- name: ROTA_DATABASE_URL
  valueFrom: {secretKeyRef: {name: {{ .Values.secret }}, key: DATABASE_URL}}
- name: ROTA_AUTH_SECRET
  valueFrom: {secretKeyRef: {name: {{ .Values.secret }}, key: AUTH_SECRET}}
- name: ROTA_SECRET_KEY
  valueFrom: {secretKeyRef: {name: {{ .Values.secret }}, key: SECRET_KEY, optional: true}}
{{- range $name, $value := .Values.settings }}
- name: {{ $name }}
  value: {{ $value | quote }}
{{- end }}
{{- end }}

{{- define "rota.security" -}}
allowPrivilegeEscalation: false
readOnlyRootFilesystem: true
capabilities: {drop: [ALL]}
{{- end }}

{{- define "rota.pod" -}}
serviceAccountName: {{ .Values.serviceAccount }}
automountServiceAccountToken: false
# Else a service called rota would set ROTA_PORT in every pod.
enableServiceLinks: false
securityContext: {runAsNonRoot: true, runAsUser: 10001, runAsGroup: 10001, fsGroup: 10001, seccompProfile: {type: RuntimeDefault}}
volumes:
  - {name: tmp, emptyDir: {}}
{{- with .Values.imagePullSecrets }}
imagePullSecrets: {{ toYaml . | nindent 2 }}
{{- end }}
{{- with .Values.nodeSelector }}
nodeSelector: {{ toYaml . | nindent 2 }}
{{- end }}
{{- with .Values.tolerations }}
tolerations: {{ toYaml . | nindent 2 }}
{{- end }}
{{- end }}

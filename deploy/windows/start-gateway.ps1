# Starts the gateway's supervisor on the broker's Windows machine; it starts the gateway. All logic is in Python.
Set-Location (Join-Path $PSScriptRoot '..\..')
& .\.venv\Scripts\python.exe -m services.gateway.supervisor
exit $LASTEXITCODE

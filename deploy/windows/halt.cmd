@echo off
rem Stops the gateway of this machine at once: it then sends nothing but cancels, and takes back what is open.
rem A double click is enough. Needs neither Python nor Redis nor a network. Lays the file that `halt_file` names.
setlocal
cd /d "%~dp0..\.."
set "halt=var\HALT"
if exist config\gateway.toml for /f "usebackq tokens=1,* delims== " %%a in ("config\gateway.toml") do if "%%a"=="halt_file" set "found=%%b"
if defined found for /f "tokens=1 delims=#" %%a in ("%found:"=%") do set "halt=%%a"
set "halt=%halt:'=%"
if exist .env for /f "usebackq tokens=1,* delims==" %%a in (".env") do if /i "%%a"=="ARB_GATEWAY_HALT_FILE" set "halt=%%~b"
if defined ARB_GATEWAY_HALT_FILE set "halt=%ARB_GATEWAY_HALT_FILE%"
for %%f in ("%halt:/=\%") do set "halt=%%~ff"
for %%f in ("%halt%") do if not exist "%%~dpf" mkdir "%%~dpf"
if not exist "%halt%" echo laid by %USERNAME% on %DATE% at %TIME% > "%halt%"
if not exist "%halt%" goto failed
echo.
echo   HALTED: %halt% is there.
echo   The gateway of this machine sends nothing but cancels and takes back what is open.
echo   To trade again: delete that file, then "arb preflight" and "arb arm".
echo.
pause
exit /b 0

:failed
echo.
echo   NOT HALTED: %halt% could not be made.
echo   Make any file or folder whose name begins with HALT in that folder by hand. If that fails too, pull the
echo   network cable of this machine and call the broker's desk (docs\going-live.md, "By hand").
echo.
pause
exit /b 1

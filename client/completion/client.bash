# Completion of NAME in bash: put
#	source <(NAME completion bash)
# into ~/.bashrc.
_FUNC() {
	local -a reply
	local line
	while IFS= read -r line; do
		reply+=("$line")
	done < <("${COMP_WORDS[0]/#\~/$HOME}" __complete bash "$COMP_LINE" "$COMP_POINT" "$COMP_WORDBREAKS" 2>/dev/null)
	# The first line says what the others are. readline quotes file names.
	case ${reply[0]-} in
	words) ;;
	names) compopt -o filenames 2>/dev/null ;;
	nospace) compopt -o filenames -o nospace 2>/dev/null ;;
	files)
		compopt -o filenames 2>/dev/null
		COMPREPLY=()
		while IFS= read -r line; do
			COMPREPLY+=("$line")
		done < <(compgen -f -- "${reply[1]-}")
		return
		;;
	dirs)
		compopt -o filenames 2>/dev/null
		COMPREPLY=()
		while IFS= read -r line; do
			COMPREPLY+=("$line")
		done < <(compgen -d -- "${reply[1]-}")
		return
		;;
	esac
	COMPREPLY=("${reply[@]:1}")
}
complete -F _FUNC NAME

# Runs while installing. ER: the program that was built; FROM: this folder; MADE: where files are made before they are put in place.
get_filename_component(PREFIX "${CMAKE_INSTALL_PREFIX}" ABSOLUTE)
if(PREFIX MATCHES "[ \t\"'\\%$]")
	message(FATAL_ERROR "the prefix ${PREFIX} cannot be written into a systemd unit: take one without spaces, quotes, % and $")
endif()

function(place name destination)
	file(INSTALL "${MADE}/${name}" DESTINATION "${CMAKE_INSTALL_PREFIX}/${destination}" TYPE FILE)
endfunction()

function(written name destination)
	execute_process(COMMAND "${ER}" ${ARGN} OUTPUT_FILE "${MADE}/${name}" COMMAND_ERROR_IS_FATAL ANY)
	place(${name} ${destination})
endfunction()

file(MAKE_DIRECTORY "${MADE}")
configure_file("${FROM}/edgeroutine.service.in" "${MADE}/edgeroutine.service" @ONLY)
place(edgeroutine.service lib/systemd/system)
written(er.1 share/man/man1 manual)
written(er share/bash-completion/completions completion bash)
written(_er share/zsh/site-functions completion zsh)
written(er.fish share/fish/vendor_completions.d completion fish)
